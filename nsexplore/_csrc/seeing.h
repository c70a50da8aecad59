/* System calls by which namespaces are seen that Python does not have. */
#ifndef NSEXPLORE_SEEING_H
#define NSEXPLORE_SEEING_H

#include <Python.h>

extern PyMethodDef seeing_methods[];

#endif
