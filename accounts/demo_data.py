"""Texts that people of the demo agree to."""

from accounts.consents.models import ConsentDocument
from accounts.consents.services import publish_document
from paycore.clock import database_now

_VERSION = "2026-11"
_TEXTS = {
    ConsentDocument.Kind.TERMS: (
        "Sample terms. This is a demo with play money: nothing here is a contract.",
        "示例条款。这是使用模拟资金的演示，此处内容不构成合同。",
    ),
    ConsentDocument.Kind.PRIVACY: (
        "Sample privacy notice. What you type here stays on this machine.",
        "示例隐私说明。您在此输入的内容只保存在本机。",
    ),
}


def seed_consent_texts() -> None:
    """Safe to repeat; a text that was published stays as it is, and a newer one of the same kind in force."""
    for kind, (text_en, text_zh) in _TEXTS.items():
        document, is_new = ConsentDocument.objects.get_or_create(
            kind=kind, version=_VERSION, defaults={"text_en": text_en, "text_zh": text_zh}
        )
        if is_new:
            publish_document(document.id, now=database_now())
