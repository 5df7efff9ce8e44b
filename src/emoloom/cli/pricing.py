"""Prices and prints a plan before it is carried out."""

from __future__ import annotations

from emoloom.assets.cache import Say
from emoloom.report.schedule import print_schedule
from emoloom.screen.plan import Plan
from emoloom.screen.pricing.schedule import Priced, folder_of, measured, open_schedule


def price_plan(plan: Plan, say: Say, began: float, *, always: bool) -> Priced:
    """Measures what each candidate takes on this machine and shows the plan's schedule, where there is a budget or ``always``.

    Raises:
        EmoLoomError: the budget does not pay for one trained candidate.
    """
    priced = measured(plan, say, began, always=always)
    if always or plan.config.budget.is_limited:
        if folder_of(plan).is_sealed:
            say(f"{folder_of(plan).path}: this plan is finished already")
        else:
            print_schedule(open_schedule(plan, priced))
    return priced
