"""AWS Secrets Manager through boto3."""

import io
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import boto3.session
import botocore.awsrequest
import botocore.config
import botocore.exceptions

from meterr.core.secrets.access import AwsAccess
from meterr.core.secrets.backend import Document, SecretRefused, SecretUnavailable
from meterr.core.secrets.bounds import TOO_LARGE, AnswerTooLarge, Patience, whole

_LATER: Final = frozenset(
    {
        "InternalFailure",
        "InternalServiceError",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_ATTEMPTS: Final = 2
_SERVER_ERROR: Final = 500
_FOUND_NOT: Final = "ResourceNotFoundException"
_KNOWN: Final = _LATER | {
    _FOUND_NOT,
    "AccessDeniedException",
    "DecryptionFailure",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidParameterException",
    "InvalidRequestException",
    "InvalidSignatureException",
    "UnrecognizedClientException",
}
"""The codes that are repeated: any other text of an answer may be anything."""

_ROLE: Final = "look at what the role or profile of this host may do, and at secrets.aws_region"
_IN_CLEAR: Final = (
    "AWS_ENDPOINT_URL or the AWS profile names an address without TLS; use https, or set "
    "secrets.aws_endpoint_url"
)
_REFUSED: Final = {
    botocore.exceptions.NoCredentialsError: (
        "there are no AWS credentials; give the host a role or set a profile"
    ),
    botocore.exceptions.PartialCredentialsError: "the AWS credentials are incomplete",
    botocore.exceptions.NoRegionError: "set secrets.aws_region or AWS_REGION",
    botocore.exceptions.ParamValidationError: "this is no name of a secret",
    botocore.exceptions.ProfileNotFound: "there is no such AWS profile; look at AWS_PROFILE",
}

Failure = SecretRefused | SecretUnavailable


class AwsBackend:
    """Reads one secret per call, with the credentials of AWS's own chain (role, profile, ...)."""

    def __init__(self, access: AwsAccess) -> None:
        self._access = access
        self._patience = Patience(access.timeout_s)

    def read(self, place: str) -> Document:
        """Return the current version of the secret with this name or ARN."""

        def ask() -> Document | Failure:
            try:
                with closing(_client(self._access)) as client:
                    if not self._access.permits(client.meta.endpoint_url):
                        return SecretRefused(f"aws:{place}: {_IN_CLEAR}")
                    return _document(place, client.get_secret_value(SecretId=place))
            # The library raises far more than it names, and what it raises holds answers and URLs:
            # its kind is all that is told.
            except Exception as error:  # noqa: BLE001
                return _failure(place, error)

        try:
            found = self._patience.wait_for(ask)
        except TimeoutError:
            found = _unavailable(place, f"no whole answer within {self._access.timeout_s:g} s")
        if isinstance(found, Failure):
            raise found
        return found


class _Session:
    """The library's way to HTTP, with a bound on what an answer may hold."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.close = session.close

    def send(self, request: Any) -> botocore.awsrequest.AWSResponse:
        request.stream_output = True  # or the body would be read to its end, wherever that is
        answer = self._session.send(request)
        body = _Body(whole(answer.raw, decode=False))
        return botocore.awsrequest.AWSResponse(answer.url, answer.status_code, answer.headers, body)


class _Body(io.BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()


def _client(access: AwsAccess) -> Any:
    config = botocore.config.Config(
        connect_timeout=access.timeout_s,
        read_timeout=access.timeout_s,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
    )
    # A session of its own: boto3's default one is state of the whole process.
    client = boto3.session.Session().client(
        "secretsmanager",
        region_name=access.region,
        endpoint_url=access.endpoint_url,
        config=config,
    )
    # There is no public way to choose it for a client.
    endpoint = client._endpoint  # noqa: SLF001
    endpoint.http_session = _Session(endpoint.http_session)
    return client


def _document(place: str, answer: Any) -> Document | Failure:
    if not isinstance(answer, Mapping):
        return _unavailable(place, "its answer is none of AWS's")
    text = answer.get("SecretString")
    if not isinstance(text, str):
        return SecretRefused(f"aws:{place}: this secret is binary; only text can be used")
    return Document(text, str(answer.get("VersionId", ""))[:64])


def _failure(place: str, error: Exception) -> Failure:
    kind = type(error)
    if isinstance(error, AnswerTooLarge):
        return SecretRefused(f"aws:{place}: {TOO_LARGE}; look at secrets.aws_endpoint_url")
    if isinstance(error, botocore.exceptions.ClientError):
        return _told(place, error)
    if kind in _REFUSED:
        return SecretRefused(f"aws:{place}: {_REFUSED[kind]}")
    return _unavailable(place, kind.__name__)


def _told(place: str, error: botocore.exceptions.ClientError) -> Failure:
    """Judge an error that AWS told; of what it said only a code that we know is repeated."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(error.response.get("Error", {}).get("Code"))
    why = code if code in _KNOWN else f"status {status}"
    if code in _LATER or status >= _SERVER_ERROR:
        return _unavailable(place, why)
    if code == _FOUND_NOT:
        return SecretRefused(f"aws:{place}: there is no such secret; look at secrets.aws_region")
    return SecretRefused(f"aws:{place}: AWS refuses it ({why}); {_ROLE}")


def _unavailable(place: str, why: str) -> SecretUnavailable:
    return SecretUnavailable(
        f"AWS Secrets Manager did not give aws:{place} ({why}). Look at secrets.aws_region, "
        "secrets.aws_endpoint_url and secrets.timeout_s, and at the way to AWS."
    )
