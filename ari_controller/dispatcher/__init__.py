"""One inbox and one task per call: event in, `core.consent.step`, commands carried out in order.

Nothing here decides about consent. A call's events are strictly in order and calls never wait for
each other; after each step the one timer is re-armed from `call.deadline` and one line is logged.
"""
