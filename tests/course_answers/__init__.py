"""Answers to the exercises of the course, right and wrong ones: a module for each part."""
