"""Requests to the X-Ray service: signed by botocore, sent by our own client so that each has an end.

The service's own limits: 50 documents in a PutTraceSegments, 64 KB each. What it doesn't take of
them it names one by one. (X-Ray API, "PutTraceSegments".)
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from .. import ids
from .._version import __version__
from . import CLIENT_ERROR, OTHER, SERVER_ERROR, Outcome, Parcel, retry
from .http import NEEDS, Client, Unreachable, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping, Sequence

    from .http import Answer

MAX_DOCUMENTS = 50
SECONDS = 10.0
"""For a request."""

THROTTLED = frozenset(
    ("ThrottledException", "ThrottlingException", "TooManyRequestsException", "LimitExceeded")
)
"""Codes after which the same may be sent again; every status 5xx is another reason."""

_SUFFIXES = (
    ("cn-", "amazonaws.com.cn"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-iso-", "c2s.ic.gov"),
)


class XRayError(ValueError):
    """What is wrong with how the service is to be called, and what to do about it."""


def endpoint_of(region: str, environment: Mapping[str, str] = os.environ) -> str:
    """The URL of the service in a region; AWS_ENDPOINT_URL_XRAY and AWS_ENDPOINT_URL win."""
    for variable in ("AWS_ENDPOINT_URL_XRAY", "AWS_ENDPOINT_URL"):
        url = environment.get(variable, "").strip()
        if url and environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
            return url.rstrip("/")
    suffix = next((name for start, name in _SUFFIXES if region.startswith(start)), "amazonaws.com")
    return f"https://xray.{region}.{suffix}"


def region_of(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """A region: what is given, or AWS_REGION, AWS_DEFAULT_REGION, or the AWS configuration file's.

    Raises XRayError if there is none.
    """
    found = text or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if not found:
        try:
            found = _session().get_config_variable("region")
        except Exception as error:  # a profile that isn't there
            raise XRayError(f"The AWS configuration can't be used: {error}.") from error
    if not found:
        raise XRayError("There is no region. Name one, as in xray://eu-west-1, or set AWS_REGION.")
    if not all(part.isalnum() and part.isascii() for part in found.split("-")):
        raise XRayError(f"{found!r} is no region. Write one such as eu-west-1.")
    return str(found)


def signer_for(url: str, role_arn: str | None = None) -> Signer | None:
    """What signs requests to the service's own OTLP endpoint, None for other URLs.

    role_arn: as for Signer. Raises XRayError if botocore isn't installed.
    """
    found = _SERVICE.fullmatch(urlsplit(url).hostname or "")
    if found is None:
        return None
    require_botocore()
    return Signer(found[1], role_arn)


_SERVICE = re.compile(r"xray\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)")


def require_botocore() -> None:
    """Raise XRayError if botocore isn't installed."""
    from importlib.util import find_spec

    if find_spec("botocore") is None:
        raise XRayError("It needs botocore. Install it with: pip install 'xtrace[aws]'")


def _session() -> Any:
    from botocore.session import get_session

    return get_session()


class Signer:
    """Adds AWS's signature, version 4, to the headers of requests. May be used by many threads: what
    finds credentials, and a role's most of all, takes megabytes.

    role_arn: a role to be assumed with the credentials that are found.
    """

    def __init__(self, region: str, role_arn: str | None = None) -> None:
        self.region = region
        self.role_arn = role_arn
        self.after_fork()

    def after_fork(self) -> None:
        """Find credentials anew: those of the parent may be locked by a thread of it."""
        self._credentials: Any = None
        # Named in full: gevent may have replaced it since the import.
        self._finding = threading.RLock()

    def sign(
        self, url: str, headers: Mapping[str, str], body: bytes, method: str = "POST"
    ) -> dict[str, str]:
        """The headers with those that sign the request. Raises Unreachable without credentials."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        try:
            with self._finding:
                credentials = self._credentials = self._credentials or self._found()
            frozen = credentials.get_frozen_credentials()
        except Unreachable:
            raise
        except Exception as error:
            self.forget()
            raise Unreachable(f"AWS credentials can't be had ({_said(error)})", OTHER) from error
        request = AWSRequest(method, url, data=body, headers=dict(headers))
        SigV4Auth(frozen, "xray", self.region).add_auth(request)
        return dict(request.headers.items())

    def forget(self) -> None:
        """Look for credentials again, at the next request: those that there are were refused."""
        self._credentials = None

    def _found(self) -> Any:
        session = _session()
        found = session.get_credentials()
        if found is None:
            raise Unreachable("There are no AWS credentials", OTHER)
        if not self.role_arn:
            return found
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        def create_client(name: str, **options: Any) -> Any:
            return session.create_client(name, **{"region_name": self.region, **options})

        fetcher = AssumeRoleCredentialFetcher(
            client_creator=create_client,
            source_credentials=found,
            role_arn=self.role_arn,
            extra_args={"RoleSessionName": "xray-daemon"},
        )
        return DeferredRefreshableCredentials(
            method="assume-role", refresh_using=fetcher.fetch_credentials
        )


class XRayApi:
    """Calls the X-Ray service. Used by one thread at a time.

    signer: for its region. endpoint: in place of the service's own. user_agent: of every request.
    proxy: as for Client. Raises XRayError.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        endpoint: str | None = None,
        user_agent: str = f"xtrace/{__version__}",
        proxy: str | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.url = endpoint or endpoint_of(signer.region)
        self.signer = signer
        self._user_agent = user_agent
        try:
            place = place_of(self.url)
        except ValueError as error:
            raise XRayError(
                f"The endpoint {self.url!r} {error}. Write one such as https://xray.example.com."
            ) from None
        self._path = place.path
        self._client = Client(place._replace(path=""), proxy, context)

    def call(
        self,
        path: str,
        body: bytes,
        deadline: float,
        headers: Mapping[str, str] = {},
        method: str = "POST",
        unsigned: bool = False,
    ) -> Answer:
        """Send a request, signed. Raises Unreachable.

        unsigned: send it without a signature if there are no credentials, or no botocore to find any.
        """
        headers = {"Content-Type": "application/json", "User-Agent": self._user_agent, **headers}
        try:
            headers = self.signer.sign(self.url + path, headers, body, method)
        except (Unreachable, ModuleNotFoundError):
            if not unsigned:
                raise
        return self._client.request(method, self._path + path, headers, body, deadline)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def after_fork(self) -> None:
        """Forget the parent's connection and credentials."""
        self._client.after_fork()
        self.signer.after_fork()


class XRayBackend:
    """Puts documents into X-Ray. Used by one thread at a time."""

    max_documents = MAX_DOCUMENTS
    max_bytes = 2 * 1024 * 1024
    gives_way = False  # its requests are made at one go
    needs: Sequence[str] = (
        *NEEDS,
        "botocore.session",
        "botocore.auth",
        "botocore.awsrequest",
        "botocore.credentials",
    )

    def __init__(self, api: XRayApi) -> None:
        self.url = api.url
        self.api = api

    def deliver(self, parcels: Sequence[Parcel], deadline: float, final: bool = False) -> Outcome:
        """Send documents with PutTraceSegments; see Backend.deliver."""
        if not parcels:
            return Outcome()
        documents = [parcel.data.decode("utf-8", "replace") for parcel in parcels]
        body = json.dumps({"TraceSegmentDocuments": documents}, ensure_ascii=False).encode(
            "utf-8", "replace"
        )
        headers = {"X-Amzn-Xray-Timestamp": f"{ids.wall_clock():.9f}"}
        deadline = min(deadline, time.monotonic() + SECONDS)
        try:
            answer = self.api.call("/TraceSegments", body, deadline, headers)
        except Unreachable as error:
            return Outcome(again=parcels, trouble=str(error), kind=error.kind, is_dead=True)
        return self._answered(answer, parcels, len(body))

    def close(self) -> None:
        """Close the connection."""
        self.api.close()

    def give_up(self) -> int:
        """Nothing is ever held back."""
        return 0

    def after_fork(self) -> None:
        """Forget the parent's connection."""
        self.api.after_fork()

    def _answered(self, answer: Answer, parcels: Sequence[Parcel], size: int) -> Outcome:
        entities = sum(parcel.entities for parcel in parcels)
        if answer.status == 200:
            return _processed(answer, parcels, size)
        code, message = error_of(answer)
        kind = CLIENT_ERROR if answer.status < 500 else SERVER_ERROR
        said = f"{self.url} answers with {code or answer.status}" + (
            f": {message}" if message else ""
        )
        # 403: who we are isn't known or may not, which somebody may be about to mend.
        if answer.status in (403, 429) or answer.status >= 500 or code in THROTTLED:
            if answer.status == 403:
                self.api.signer.forget()
            wait = retry.retry_after(answer.headers.get("Retry-After"), time.time())
            return Outcome(again=parcels, trouble=said, kind=kind, retry_after=wait)
        return Outcome(dropped={f"refused with {code or f'status {answer.status}'}": entities})


def _processed(answer: Answer, parcels: Sequence[Parcel], size: int) -> Outcome:
    """What became of documents of which the service has answered that it got them."""
    try:
        unprocessed = json.loads(answer.body).get("UnprocessedTraceSegments") or []
        refused = [each for each in unprocessed if isinstance(each, dict)]
    except (ValueError, AttributeError):
        refused = []
    entities = sum(parcel.entities for parcel in parcels)
    if not refused:
        return Outcome(sent=entities, bytes=size)
    by_id: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_id.setdefault(_id_of(parcel), []).append(parcel)
    dropped: dict[str, int] = {}
    again = []
    for each in refused:
        same = by_id.get(str(each.get("Id") or "")) or by_id.get("")
        if not same:
            continue  # of nothing that was sent
        parcel = same.pop()
        entities -= parcel.entities
        code = str(each.get("ErrorCode") or "no reason")
        if code in THROTTLED or code.startswith(("Internal", "ServiceUnavailable")):
            again.append(parcel)
        else:
            reason = f"rejected by X-Ray: {code}"
            dropped[reason] = dropped.get(reason, 0) + parcel.entities
    trouble = f"X-Ray has no room for {len(again)} documents" if again else ""
    return Outcome(
        sent=entities,
        bytes=size,
        dropped=dropped,
        again=again,
        trouble=trouble,
        kind=CLIENT_ERROR if again else "",
    )


def _id_of(parcel: Parcel) -> str:
    try:
        id = json.loads(parcel.data).get("id")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return id if isinstance(id, str) else ""


def error_of(answer: Answer) -> tuple[str, str]:
    """Code and message of an answer that is an error; "" for what it doesn't say."""
    code = answer.headers.get("x-amzn-errortype") or ""
    message = ""
    try:
        said = json.loads(answer.body)
        if isinstance(said, dict):
            code = code or said.get("__type") or said.get("code") or ""
            message = said.get("message") or said.get("Message") or ""
    except (ValueError, RecursionError):
        pass
    # "com.amazonaws.xray#ThrottledException", "ThrottledException:http://..."
    code = str(code).rpartition("#")[2].partition(":")[0]
    return code[:100], str(message)[:300]


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
