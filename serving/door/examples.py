"""Examples: what goes into the calls and comes out, for the OpenAPI document; made up, but of one shop."""

LINEAGE = {
    "bento": "recommender:5d0f3cbf9a1e-8c2e51d0",
    "run_id": "20261125-0300-2f1c",
    "snapshot": "9b1f0c77e2aa",
    "generation": "c41d9e02b7f3",
    "family": "encore",
    "bundle": "5d0f3cbf9a1e" + 52 * "0",
}
ANSWER = {
    "items": [
        {
            "item": "995242",
            "title": "white milk",
            "score": 3.25,
            "rank": 0,
            "source": "repeats",
            "explanation": None,
        }
    ],
    "lineage": LINEAGE,
    "ignored": [],
    "notice": None,
    "fallback": None,
    "id": None,
    "arm": None,
    "catalogue": 0,
}
INFO = {
    "lineage": LINEAGE,
    "n_items": 11829,
    "n_users": 2462,
    "fields": ["department", "brand"],
    "numbers": [],
    "explains": True,
    "catalogue": 0,
    "trial": None,
}
ITEM = {
    "item": "995242",
    "title": "white milk",
    "fields": {"department": "GROCERY", "brand": "Private"},
    "codes": [12, 3, 201, 0],
    "sharing": [512, 40, 2, 1],
    "neighbours": [{"item": "1029743", "title": "low fat milk", "similarity": 0.97}],
}
TRIAL = {
    "mode": "canary",
    "share": 0.1,
    "k": 10,
    "challenger": LINEAGE,
    "counts": {"champion": 903, "challenger": 97, "failed": 0, "dropped": 0},
    "reverted": {"rule": "by hand", "reason": "too many cat toys", "when": 1795651200.0},
}
CATALOGUE = {
    "version": 1,
    "digest": "71b2c0d1e9aa",
    "items": 11829,
    "added": 0,
    "changed": 0,
    "hidden": 1,
    "out_of_stock": 0,
    "kept": "disk",
    "arms": {"champion": {"items": 11829, "left_out": 0, "reason": None}},
    "history": [
        {"version": 0, "digest": "5d0f3cbf9a1e", "at": 1795651200.0, "what": "bundle"},
        {"version": 1, "digest": "71b2c0d1e9aa", "at": 1795654800.0, "what": "change", "items": 1},
    ],
}
EVENT = {
    "event_key": "order-4711-line-1",
    "user": "900",
    "item": "995242",
    "kind": "purchase",
    "timestamp": 1795651200,
    "basket": "order-4711",
}
