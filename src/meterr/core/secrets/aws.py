"""AWS Secrets Manager through boto3."""

from typing import Any, Final

import boto3.session
import botocore.config
import botocore.exceptions

from meterr.core.secrets.access import AwsAccess
from meterr.core.secrets.backend import Document, SecretRefused, SecretUnavailable

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


class AwsBackend:
    """Reads one secret per call, with the credentials of AWS's own chain (role, profile, ...)."""

    def __init__(self, access: AwsAccess) -> None:
        self._access = access

    def read(self, place: str) -> Document:
        """Return the current version of the secret with this name or ARN."""
        try:
            answer = self._client().get_secret_value(SecretId=place)
        except botocore.exceptions.ClientError as error:
            raise _told(place, error) from None
        except (
            botocore.exceptions.NoCredentialsError,
            botocore.exceptions.PartialCredentialsError,
            botocore.exceptions.NoRegionError,
            botocore.exceptions.ParamValidationError,
            botocore.exceptions.ProfileNotFound,
        ) as error:
            raise SecretRefused(f"aws:{place}: {_plain(error)}") from None
        except (botocore.exceptions.BotoCoreError, OSError, ValueError) as error:
            raise _unavailable(place, type(error).__name__) from None
        text = answer.get("SecretString")
        if not isinstance(text, str):
            raise SecretRefused(f"aws:{place}: this secret is binary; only text can be used")
        return Document(text, str(answer.get("VersionId", ""))[:64])

    def _client(self) -> Any:
        access = self._access
        config = botocore.config.Config(
            connect_timeout=access.timeout_s,
            read_timeout=access.timeout_s,
            retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        )
        # A session of its own: boto3's default one is state of the whole process.
        return boto3.session.Session().client(
            "secretsmanager",
            region_name=access.region,
            endpoint_url=access.endpoint_url,
            config=config,
        )


def _told(place: str, error: botocore.exceptions.ClientError) -> SecretRefused | SecretUnavailable:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))[:64]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _LATER or status >= _SERVER_ERROR:
        return _unavailable(place, code)
    if code == "ResourceNotFoundException":
        return SecretRefused(f"aws:{place}: there is no such secret")
    return SecretRefused(f"aws:{place}: AWS refuses it ({code})")


def _plain(error: Exception) -> str:
    return {
        "NoCredentialsError": "there are no AWS credentials; give the host a role or set a profile",
        "NoRegionError": "set secrets.aws_region or AWS_REGION",
    }.get(type(error).__name__, type(error).__name__)


def _unavailable(place: str, why: str) -> SecretUnavailable:
    return SecretUnavailable(f"AWS Secrets Manager did not give aws:{place} ({why}).")
