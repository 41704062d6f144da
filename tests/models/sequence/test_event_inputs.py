"""What a position knows beside its item."""

import numpy as np
import torch

from data.interactions import SECONDS_PER_DAY, Interactions
from models.sequence.event_inputs import EventInputs
from models.sequence.moments import KNOT_DAYS, Moments
from models.sequence.rows import newest_rows


def test_moments_interpolate_and_stand_still_outside():
    moments = Moments(first_day=100.0, n_knots=3, d_model=1)
    with torch.no_grad():
        moments.knots.copy_(torch.tensor([[0.0], [1.0], [5.0]]))
    day = 100 + KNOT_DAYS * torch.tensor([-9.0, 0.0, 0.5, 1.0, 1.25, 2.0, 99.0, torch.inf])
    assert moments(day)[:, 0].tolist() == [0, 0, 0.5, 1, 2, 5, 5, 5]


def test_moments_span_the_events():
    times = [[0, 95 * SECONDS_PER_DAY]]
    assert Moments.span(Interactions.from_histories([[0, 1]], times)) == (0.0, 5)  # days 0, 30, 60, 90, 120
    assert Moments.span(Interactions.from_histories([])) == (0.0, 2)


def test_the_same_items_on_other_days_are_read_otherwise():
    events = [[0, 1], [0, 1], [0, 1]]
    days = np.array([[0, 0], [0, 9], [50, 59]]) * SECONDS_PER_DAY
    rows = newest_rows(Interactions.from_histories(events, days.tolist()), max_length=5)
    torch.manual_seed(0)
    moments = Moments(0.0, 4, d_model=4)
    torch.nn.init.normal_(moments.knots)
    inputs = EventInputs(5, 4, moments, dropout=0.0)
    x = inputs(rows, torch.randn(2, 4))
    assert x.shape == (3, 3, 4)
    assert torch.equal(x[0, 1], x[1, 1])  # same item, same day, same place
    assert not torch.equal(x[0, 2], x[1, 2])  # another pause
    assert not torch.equal(x[1, 2], x[2, 2])  # another day
    plain = EventInputs(5, 4, None, dropout=0.0)(rows, torch.randn(2, 4))
    assert torch.equal(plain[1], plain[2])  # without moments only the pause counts
