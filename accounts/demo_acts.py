"""Bo signs up by phone, becomes known, and asks what is known about him."""

import io
import json
import secrets
import zipfile
from typing import Any

import phonenumbers

from accounts.kyc.models import KycDocument
from accounts.kyc.services import approve_identity, open_document
from accounts.models import User
from paycore.clock import database_now
from paycore.demo.acts import act
from paycore.demo.paper import one_page
from paycore.demo.stage import Caller, Stage

API_ROOT = "/api/v1"
SENDABLE = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE


@act(order=20, name="identity", title="Bo comes with a phone, becomes known, and asks for his data")
def become_known(stage: Stage) -> None:
    bo, phone = _sign_up_by_phone(stage)
    _lose_a_device(stage, bo, phone=phone)
    _settle_in(stage, bo)
    _prove_identity(stage, bo)
    _ask_for_data(stage, bo, phone=phone)


def _sign_up_by_phone(stage: Stage) -> tuple[Caller, str]:
    app, phone = stage.person(), _fictional_number()
    pending = app.post("/auth/app/v1/auth/signup", {"phone": phone}, expected=401)
    code = stage.newest_code(phone)
    session = {"X-Session-Token": pending["meta"]["session_token"]}
    answer = app.post("/auth/app/v1/auth/phone/verify", {"code": code}, expected=200, **session)
    app.token = answer["meta"]["access_token"]
    me = app.get("/me")
    stage.require(me["kyc_level"] == 1, "a proved phone number is identity level 1", me)
    stage.tell(f"Bo signs up with {phone}, types the code {code} from the SMS: identity level {me['kyc_level']}")
    return app, phone


def _lose_a_device(stage: Stage, bo: Caller, *, phone: str) -> None:
    tablet = stage.person()
    pending = tablet.post("/auth/app/v1/auth/code/request", {"phone": phone}, expected=401)
    session = {"X-Session-Token": pending["meta"]["session_token"]}
    code = {"code": stage.newest_code(phone)}
    tokens = tablet.post("/auth/app/v1/auth/code/confirm", code, expected=200, **session)["meta"]
    renewed = tablet.post("/auth/app/v1/tokens/refresh", {"refresh_token": tokens["refresh_token"]}, expected=200)
    tablet.token = renewed["data"]["access_token"]
    tablet.get("/me")
    devices = bo.get("/auth/app/v1/auth/sessions")["data"]
    others = [device["id"] for device in devices if not device["is_current"]]
    stage.require((len(devices), len(others)) == (2, 1), "two devices are signed in", devices)
    body = json.dumps({"sessions": others}).encode()
    bo.ask("DELETE", "/auth/app/v1/auth/sessions", body, headers={"Content-Type": "application/json"})
    tablet.ask("GET", "/me", expected=401)
    stage.tell("He signs in on a tablet by SMS code, loses it, and signs it out from his phone: its token ends at once")


def _settle_in(stage: Stage, bo: Caller) -> None:
    me = bo.patch("/me", {"name": "Bo", "locale": "zh-hans", "currency": "CNY"})
    stage.require(me["locale"] == "zh-hans", "his language is kept", me)
    texts = bo.get("/me/consents")["missing"]
    for text in texts:
        bo.post("/me/consents", {"document": text["id"]})
    missing = bo.get("/me/consents")["missing"]
    stage.require(texts and not missing, "he agreed to every text in force", missing)
    kinds = ", ".join(f"{text['kind']} {text['version']}" for text in texts)
    stage.tell(f"He is spoken to in Chinese from now on, sees prices in CNY, and agrees to: {kinds}")


def _prove_identity(stage: Stage, bo: Caller) -> None:
    fields = {"document_type": "passport", "country": "FR", "document_number": f"E{secrets.randbelow(10**8):08}"}
    files = {"front": one_page("Passport of Bo"), "back": one_page("Passport of Bo, back")}
    check = bo.upload("/me/kyc", fields, files)
    stage.require(check["status"] == "submitted", "the document waits for a person", check)
    stage.tell(f"He sends both sides of his passport: {check['id']} is {check['status']}; the files are sealed")
    reviewer = User.objects.get(email="review@demo.example")
    documents = list(KycDocument.objects.filter(case_id=check["id"]).values_list("id", flat=True))
    for document_id in documents:
        open_document(document_id, viewer=reviewer)
    approve_identity(check["id"], reviewer=reviewer, now=database_now())
    me = bo.get("/me")
    stage.require(me["kyc_level"] == 2, "a reviewed document is identity level 2", me)
    stage.tell(
        f"Rafael looks at {len(documents)} files, each look is written down, and approves: level {me['kyc_level']}"
    )


def _ask_for_data(stage: Stage, bo: Caller, *, phone: str) -> None:
    link, archive = download_everything(stage, bo)
    data = json.loads(archive.read("data.json"))
    profile = data["account"]["profile"]
    stage.require((profile["phone"], profile["identity_level"]) == (phone, 2), "the archive is his", profile)
    stage.require(data["account"]["consents"], "his consents are in it", data["account"])
    stage.tell(f"data.json tells about: {', '.join(name for name in data if isinstance(data[name], dict))}")
    stage.sign_up("Eve").send("GET", link, expected=404)
    stage.tell("Eve has got hold of his link: it opens nothing for her")


def download_everything(stage: Stage, person: Caller) -> tuple[str, zipfile.ZipFile]:
    """Everything that is kept about a person: the link to it, and the archive behind the link."""
    asked = person.post("/me/exports", {}, expected=202)
    stage.tell(f"An archive of everything that is kept: {asked['id']} is {asked['status']}")
    seen: list[int] = [asked["progress"]]

    def look() -> dict[str, Any]:
        export = person.get(f"/me/exports/{asked['id']}")
        if export["progress"] != seen[-1]:
            seen.append(export["progress"])
        return export

    ready = stage.wait_for(look, lambda export: export["status"] == "ready")
    link = ready["download_url"].removeprefix(API_ROOT)
    archive = zipfile.ZipFile(io.BytesIO(person.send("GET", link)))
    progress = " → ".join(f"{percent} %" for percent in seen)
    stage.tell(f"Progress {progress}; downloaded {ready['size_bytes']} bytes: {', '.join(sorted(archive.namelist()))}")
    return link, archive


def _fictional_number() -> str:
    """A number that films may use (555-01xx): whatever is configured to send SMS, nobody's phone rings."""
    while True:
        number = f"+1{secrets.randbelow(800) + 200}55501{secrets.randbelow(100):02}"
        parsed = phonenumbers.parse(number)
        if phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) == SENDABLE:
            return number
