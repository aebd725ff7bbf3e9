"""The demo data: a store with a finished, a running and a partly failed batch, an archive, and files to attach.

>>> state = State()
>>> seed(state)
>>> list(state.stores)
['vs_demo', 'vs_archive']
"""

from __future__ import annotations

from . import file_batches, files, vector_stores
from .state import State

TEXTS = {
    "file-demo-01": (
        "returns.md",
        "# Returns\n\nGoods can be returned within 30 days. The refund policy covers postage.",
    ),
    "file-demo-02": (
        "shipping.md",
        "# Shipping\n\nOrders leave the warehouse within one working day, by rail or by road.",
    ),
    "file-demo-03": ("warranty.txt", "The warranty lasts two years. It covers faults of material, not wear and tear."),
    "file-demo-04": (
        "privacy.pdf",
        "Privacy: we keep an address as long as an order is open, and the invoice ten years.",
    ),
    "file-demo-05": ("prices.csv", "article,price\nlamp,19.90\nchair,89.00\n"),
    "file-demo-06": ("logo.png", "\x89PNG not really a picture"),
    "file-demo-07": (
        "opening-hours.md",
        "The shop is open from Monday to Friday, nine to six, and on Saturday until two.",
    ),
    "file-demo-08": ("contact.md", "Write to us, or call between nine and five. Complaints are answered within a day."),
    "file-archive-01": ("handbook-2024.md", "The handbook of 2024. Returns were possible within 14 days."),
    "file-archive-02": ("handbook-2025.md", "The handbook of 2025. Returns were possible within 21 days."),
    "file-new-01": (
        "returns-eu.md",
        "In the EU, a purchase made online can be returned within 14 days without a reason.",
    ),
    "file-new-02": ("shipping-eu.md", "Within the EU, shipping takes two to five days."),
    "file-new-03": ("warranty-eu.md", "Within the EU, the legal guarantee lasts two years."),
    "file-new-04": ("gift-cards.txt", "A gift card is valid for three years from the end of the year of its purchase."),
    "file-new-05": ("stock.csv", "article,stock\nlamp,12\nchair,3\n"),
    "file-new-06": ("repairs.md", "Repairs take a week. The estimate is free."),
}
HOUR = 3600.0
DAY = 24 * HOUR


def seed(state: State) -> None:
    """Fill the state with the demo data."""
    now = state.clock()
    for id, (filename, text) in TEXTS.items():
        files.create(state, filename, text.encode(), "assistants", id=id)
    for store_id, name in (("vs_demo", "Product handbook"), ("vs_archive", "Old handbooks")):
        vector_stores.create(state, {"name": name}, id=store_id)
    file_batches.create(
        state,
        "vs_demo",
        {"file_ids": ["file-demo-01", "file-demo-02", "file-demo-03"]},
        id="vsfb_demo_finished",
        created_at=now - 2 * HOUR,
        processing_seconds=60,
    )
    file_batches.create(
        state,
        "vs_demo",
        {
            "files": [
                {"file_id": "file-demo-04"},
                {"file_id": "file-demo-05", "attributes": {"team": "sales"}},
                {"file_id": "file-demo-06", "attributes": {"team": "design"}},
            ]
        },
        id="vsfb_demo_failures",
        created_at=now - HOUR,
        processing_seconds=60,
    )
    file_batches.create(
        state,
        "vs_demo",
        {"file_ids": ["file-demo-07", "file-demo-08"]},
        id="vsfb_demo_running",
        processing_seconds=2 * HOUR,
    )
    file_batches.create(
        state,
        "vs_archive",
        {"file_ids": ["file-archive-01", "file-archive-02"]},
        id="vsfb_archive_2025",
        created_at=now - 300 * DAY,
        processing_seconds=60,
    )
