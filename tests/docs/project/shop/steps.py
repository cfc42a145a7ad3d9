"""Step functions that the documentation's examples import."""

from django_workflows import current_step
from shop.models import Order


class CardDeclined(Exception):
    pass


def reserve_stock(order_id: int) -> int:
    order = Order.objects.get(id=order_id)
    order.state = "reserved"
    order.save()
    return order.total


def release_stock(order_id: int) -> None:
    Order.objects.filter(id=order_id).update(state="released")


def charge_card(order_id: int, total: int) -> str:
    return f"receipt {current_step().idempotency_key} over {total} for {order_id}"


def send_receipt(order_id: int, receipt: str) -> None:
    assert receipt.startswith("receipt ")


def send_survey(order_id: int) -> None:
    assert Order.objects.filter(id=order_id).exists()
