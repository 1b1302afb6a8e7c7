"""The statuses of jobs, orders, dispatches and purchase orders, and the names they may come under."""

# The names are undocumented: these are likely, as those of keys are.
STATUSES = (
    "JobStatus",
    "ProductionStatus",
    "OrderStatus",
    "SalesOrderStatus",
    "SOStatus",
    "ItemStatus",
    "DispatchStatus",
    "DeliveryStatus",
    "StatusName",
    "StatusDescription",
    "NewStatus",
    "CurrentStatus",
)
PURCHASE_ORDER_STATUSES = ("POStatus", "IPOStatus", "OPOStatus", "PurchaseOrderStatus", *STATUSES)

# Production statuses by id, from printIQ's documentation of its status update.
_PRODUCTION = {
    **{1 + number: f"IN_PROCESS_{number}" for number in range(1, 8)},
    16: "ON_HOLD",
    17: "CANCELLED",
    20: "FINISHED_PRODUCTION",
    21: "COMPLETE",
    22: "PRE_PRODUCTION_IN_PROCESS_1",
    23: "PRE_PRODUCTION_IN_PROCESS_2",
    24: "PRE_PRODUCTION_IN_PROCESS_3",
    18: "PRE_PRODUCTION_IN_PROCESS_4",
    1: "PRE_PRODUCTION_IN_PROCESS_5",
    26: "PRE_PRODUCTION_IN_PROCESS_6",
    25: "AWAITING_PAYMENT",
    27: "AWAITING_ARTWORK",
}


def production_status(identity: int | None) -> str | None:
    """Return printIQ's name of a production status, None for an unknown id."""
    return None if identity is None else _PRODUCTION.get(identity)
