from limen.tls.expiry import running_out
from limen.tls.material import Expiry

DAY = 86400
NOW = 1_800_000_000


def test_only_those_that_end_soon_are_told_the_soonest_first():
    ends = {"far": 21 * DAY, "soon": 3 * DAY + 5, "tomorrow": DAY, "today": 3600 * 5, "gone": -1, "weeks": 20 * DAY}
    told = running_out([Expiry(file, NOW + left) for file, left in ends.items()], NOW)
    assert told == [
        "gone: the certificate has expired",
        "today: the certificate expires in 5 hours",
        "tomorrow: the certificate expires in 1 day",
        "soon: the certificate expires in 3 days",
        "weeks: the certificate expires in 20 days",
    ]


def test_many_are_told_in_a_few_lines():
    told = running_out([Expiry(f"file{number}", NOW) for number in range(1000)], NOW)
    assert len(told) == 21
    assert told[-1] == "and 980 more certificates"
