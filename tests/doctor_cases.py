"""Every cause that can be made on any machine, and what the doctor has to say of it."""

from __future__ import annotations

from doctor_case import Case
from doctor_cases_files import FILES
from doctor_cases_limits import LIMITS
from doctor_cases_rights import CHROOTS, FILTERS, KILLS, PRIVILEGE

__all__ = ["CASES", "KILLS", "Case"]

CASES = [*PRIVILEGE, *CHROOTS, *LIMITS, *FILTERS, *FILES]
