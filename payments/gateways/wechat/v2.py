"""WeChat Pay's older interface: flat XML, signed with a shared key (HMAC-SHA256 or MD5). Mandates still speak it."""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from lxml import etree

from payments.gateways.contract import (
    GatewayConfiguration,
    GatewayOutcomeUnknown,
    GatewayRejected,
    HttpRequest,
    HttpResponse,
)

MD5, HMAC_SHA256 = "MD5", "HMAC-SHA256"
MAX_BYTES = 64 * 1024
_SIGNATURE_LENGTHS = {32: MD5, 64: HMAC_SHA256}


class XmlRefused(ValueError):
    """Not a flat ``<xml>`` document: torn, nested, repeated fields, or with a document type (entities)."""


def signature(fields: Mapping[str, str], *, key: str, sign_type: str) -> str:
    """Over the fields with a value, sorted, ``a=b&…&key=KEY`` (安全规范). MD5 is what the provider documents for some
    calls; it is keyed here and protects against nothing but somebody without the key."""
    joined = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign")
    message = f"{joined}&key={key}".encode()
    if sign_type == HMAC_SHA256:
        return hmac.new(key.encode(), message, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(message, usedforsecurity=False).hexdigest().upper()


def is_genuine(fields: Mapping[str, str], *, keys: tuple[str, ...]) -> bool:
    """Whether one of the keys signed exactly these fields; the signature's length tells the algorithm."""
    given = fields.get("sign", "")
    sign_type = _SIGNATURE_LENGTHS.get(len(given))
    if sign_type is None or not given.isascii():
        return False
    made = [signature(fields, key=key, sign_type=sign_type) for key in keys if key]
    return any([hmac.compare_digest(one.encode(), given.upper().encode()) for one in made])


def write_xml(fields: Mapping[str, str]) -> bytes:
    root = etree.Element("xml")
    for name, value in fields.items():
        etree.SubElement(root, name).text = value
    written: bytes = etree.tostring(root, encoding="utf-8")
    return written


def read_xml(body: bytes) -> dict[str, str]:
    """No document type, no entities, no network. Raises :class:`XmlRefused`."""
    if len(body) > MAX_BYTES:
        raise XmlRefused("too long")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise XmlRefused("not XML") from None
    if root.getroottree().docinfo.doctype or root.getroottree().docinfo.internalDTD is not None:
        raise XmlRefused("a document type is not accepted")
    if root.tag != "xml":
        raise XmlRefused("another root element")
    fields: dict[str, str] = {}
    for element in root:
        if not isinstance(element.tag, str):
            continue  # a comment
        if len(element) or element.tag in fields:
            raise XmlRefused("nested or repeated fields")
        fields[element.tag] = element.text or ""
    return fields


class V2Client:
    """Asks; believes only what is signed. Thread-safe."""

    def __init__(self, configuration: GatewayConfiguration, *, clock: Callable[[], float]) -> None:
        self._configuration = configuration
        self._clock = clock

    def keys(self) -> tuple[str, ...]:
        """Raises GatewayRejected(account_misconfigured) when the account has no api_v2_key."""
        if not self._configuration.credentials.get("api_v2_key"):
            raise GatewayRejected("mandates need api_v2_key", code="account_misconfigured")
        return self._configuration.secrets_in_use("api_v2_key")

    def signed(self, fields: Mapping[str, str], *, sign_type: str = MD5) -> dict[str, str]:
        return {**fields, "sign": signature(fields, key=self.keys()[0], sign_type=sign_type)}

    def ask(self, path: str, fields: Mapping[str, str], *, sign_type: str = MD5) -> dict[str, str]:
        """A signed answer's fields; ``result_code`` and ``err_code`` are the caller's to judge. Raises
        GatewayOutcomeUnknown for anything else: an answer with ``return_code`` FAIL carries no signature."""
        body = write_xml(self.signed(fields, sign_type=sign_type))
        return self.read(self.send("POST", path, body))

    def send(self, method: str, path: str, body: bytes = b"") -> HttpResponse:
        request = HttpRequest(
            method=method,
            url=self._configuration.base_url.rstrip("/") + path,
            headers={"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"},
            body=body,
            max_response_bytes=MAX_BYTES,
        )
        return self._configuration.transport(request)

    def read(self, response: HttpResponse, *, must_be_signed: bool = True) -> dict[str, str]:
        if response.status != 200:
            raise GatewayOutcomeUnknown(f"HTTP {response.status}", code=f"http_{response.status}")
        try:
            fields = read_xml(response.body)
        except XmlRefused as problem:
            raise GatewayOutcomeUnknown(f"an answer that cannot be read: {problem}", code="malformed") from None
        if fields.get("return_code") != "SUCCESS":
            raise GatewayOutcomeUnknown(f"WeChat Pay: {fields.get('return_msg', '')}"[:300], code="return_fail")
        if must_be_signed and not is_genuine(fields, keys=self.keys()):
            raise GatewayOutcomeUnknown("an answer without a good signature", code="signature_wrong")
        if fields.get("mch_id", self._mchid()) != self._mchid():
            raise GatewayOutcomeUnknown("an answer about another merchant", code="foreign_merchant")
        return fields

    def common_fields(self) -> dict[str, str]:
        settings = self._configuration.settings
        return {"appid": settings.get("appid_mandate") or settings.get("appid", ""), "mch_id": self._mchid()}

    def timestamp(self) -> str:
        return str(int(self._clock()))

    def _mchid(self) -> str:
        return self._configuration.settings.get("mchid", "")
