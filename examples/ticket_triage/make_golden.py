"""Writes `golden.jsonl`: synthetic tickets. No customer, company or product in them exists.

    python examples/ticket_triage/make_golden.py > examples/ticket_triage/golden.jsonl

Every ticket was written by hand (`CATEGORY | subject | body`, a `!` behind the category where work stands still) and is
a group of its own, so that no wording stands in two pools. Greetings, signatures and plans are drawn.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

TICKETS = """
SECURITY | Strange sign-in | We got a mail about a sign-in from a country where none of us is. Is that you?
SECURITY | account hacked | Somebody changed my e-mail address and renamed all boards. I think I was hacked.
SECURITY! | Customer list leaked | A file with our customers turned up on a public site. We need to know immediately how.
SECURITY | Is this mail from you? | It asks for my password and the link looks like phishing to me.
SECURITY | Report | I found a vulnerability in your file upload that lets one read the files of other teams.
SECURITY! | laptop stolen | My laptop was stolen this morning, please end all sessions asap.
SECURITY | Unknown device | The list of devices shows one that is unknown to me. Suspicious!
SECURITY | question about the breach | The newspaper writes about a breach at your hosting company. Is our data affected?
OUTAGE! | Everything down | The whole team gets a white page since nine. Nothing works.
OUTAGE | 502 | Your site answers with error 502 for all my colleagues and me.
OUTAGE | API unavailable | Requests to the API end in timeouts for about an hour now, from three offices.
OUTAGE! | Outage? | Nobody can open a board. We cannot work like this.
OUTAGE | Page not loading | It is not loading for anybody here, with any browser.
OUTAGE! | is there an outage | Our production site shows your widget as unavailable.
OUTAGE | status page says fine | But the service is down for us, at home and in the office.
OUTAGE | error 503 again | Third time this week that error 503 comes up for everyone.
LOGIN | Password | I forgot my password and the reset mail does not come.
LOGIN! | locked out | I am locked out after three attempts and have a deadline today.
LOGIN | Two-factor | New phone, and the two-factor codes are still on the old one.
LOGIN | cannot log in | It says that my address is not known. I could log in on Friday.
LOGIN | Single sign-on | After the change of our domain, single sign-on sends people to the old one.
LOGIN | Invitation | My colleague Ines never received the invitation to our workspace.
LOGIN! | Admin cannot sign in | Our only admin cannot sign in and all of us wait for her approval.
LOGIN | verification code | The verification code arrives ten minutes late and is not valid any more.
LOGIN | reset link expired | Whenever I click on the link to set a new password it has expired.
CANCEL | Cancel | Please cancel our subscription at the end of the month.
CANCEL | closing down | We are closing the shop. Kindly delete our account and all boards.
CANCEL | not renewing | We will not renew in May, the team has shrunk.
CANCEL | Downgrade | I want to downgrade from Team to the free plan.
CANCEL | End of trial | I tried it for two weeks and it is not for me. Close my account please.
CANCEL! | cancel before Friday | Cancel our plan immediately, it would renew on Friday.
CANCEL | moving to another tool | We move elsewhere. How do we end the subscription?
CANCEL | delete me | Delete the account under this address, as the law gives me the right to.
BILLING | Invoice for March | I cannot find the invoice for March in the mail.
BILLING | charged twice | My credit card was charged twice on the 4th.
BILLING | VAT number | Please put our VAT number on future receipts.
BILLING | Refund | You promised a refund for the unused seats three weeks ago.
BILLING | Quote | Could you send a quote for 40 seats, paid yearly?
BILLING! | payment failed | Our payment failed and you announce to block the workspace today. Urgent!
BILLING | purchase order | We pay by purchase order only; who gets it at your side?
BILLING | new card | The credit card on file expires next month, I want to give you another one.
BILLING | price | Does the price change if we add five guests?
BILLING | receipt for the tax office | I need a receipt for each payment of last year.
BUG | Export | The export to CSV leaves out the last column.
BUG! | Crash | The app crashes on opening. The whole team has the newest version and cannot work.
BUG | Wrong totals | The chart shows wrong totals when the filter is set to last quarter.
BUG | does not save | Comments that I write on the phone do not save.
BUG | sync | Calendar entries are missing after the last sync.
BUG | Error message | On dragging a card I see the error message "conflict", and the card jumps back.
BUG | freezes | Scrolling through a long board freezes the window for a minute.
BUG! | import broken | The import of our backlog is broken and we are blocked by it.
BUG | dates | All due dates are a day off, which is wrong for our time zone.
BUG | Attachments | Attachments open as broken files since the update.
HOW_TO | Templates | How do I turn a board into a template?
HOW_TO | guests | How can we give a guest access to one board only?
HOW_TO | Dark mode | A dark mode would be nice.
HOW_TO | Feature request | We would love to have recurring tasks.
HOW_TO | Question | Is it possible to show two boards side by side?
HOW_TO | Where is it | Where do I find the list of archived cards?
HOW_TO | shortcuts | Can one change the keyboard shortcuts, and how?
HOW_TO! | board for tomorrow's fair | How do I make a board public? I need it asap.
HOW_TO | language | How can I set the language for a single user?
HOW_TO | webhooks | Is it possible to call a webhook when a card moves?
OTHER | Thank you | Your new colours are lovely. No need to answer.
OTHER | Partnership | We organise a conference in autumn and look for speakers.
OTHER | Job | I am a designer and would like to apply at your company.
OTHER | Survey | I am a student and write about remote work. May I ask you some questions?
OTHER | office visit | We are in town next week. Could we come by for a coffee?
OTHER | magazine | I would like to write an article about your company for our magazine.
OTHER! | Press request | Our editor wants a comment from your founder, urgent please.
"""
GREETINGS = ("", "Hi,", "Hello team,", "Dear support,", "Good morning,")
ENDINGS = ("", "Thanks, Maja", "Best regards\nTom", "Kind regards, R. Okafor", "Cheers")
PLANS = ("FREE", "TEAM", "TEAM", "ENTERPRISE")
ROUTES = {
    "SECURITY": ("SECURITY_DESK", 1), "BUG": ("SUPPORT", 24), "LOGIN": ("SUPPORT", 8), "BILLING": ("BILLING", 24),
    "CANCEL": ("CUSTOMER_SUCCESS", 8), "HOW_TO": ("SUPPORT", 24), "OTHER": ("SUPPORT", 24), "OUTAGE": ("ON_CALL", 1),
}  # fmt: skip
"""Where a ticket of a paying customer goes whose work does not stand still."""


def route(category: str, blocked: bool, plan: str) -> tuple[str, int]:
    """The policy, written a second time, so that the table is checked against it."""
    if category in ("SECURITY", "OUTAGE"):
        return ("ON_CALL", 8) if category == "OUTAGE" and plan == "FREE" else ROUTES[category]
    if blocked and plan == "ENTERPRISE":
        return "NAMED_ENGINEER", 2
    if blocked and category in ("LOGIN", "BUG"):
        return ("SUPPORT", 4) if category == "LOGIN" else ("ENGINEERING", 8)
    if plan == "FREE" and category in ("CANCEL", "HOW_TO", "OTHER"):
        return ("BILLING", 24) if category == "CANCEL" else ("COMMUNITY", 72)
    return ROUTES[category]


def cases() -> Iterator[dict[str, Any]]:
    dice = random.Random(112)
    for index, line in enumerate(TICKETS.strip().splitlines()):
        kind, subject, body = (part.strip() for part in line.split(" | "))
        category, blocked, plan = kind.rstrip("!"), kind.endswith("!"), dice.choice(PLANS)
        team, hours = route(category, blocked, plan)
        text = "\n".join(filter(None, (dice.choice(GREETINGS), body, dice.choice(ENDINGS))))
        yield {
            "id": f"synthetic-{index:03}",
            "group": f"ticket {index}",
            "input": {"subject": subject, "body": text, "plan": plan},
            "expected": {"category": category, "blocked": blocked, "team": team, "hours": hours},
        }


if __name__ == "__main__":
    for case in cases():
        print(json.dumps(case))
