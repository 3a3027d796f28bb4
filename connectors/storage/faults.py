"""Errors of the stores beneath → errors of the project: code, URI and status, nothing else of their text."""

from __future__ import annotations

import errno
import random
import re

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound
from obstore import exceptions as raised

from connectors.errors import AccessError, ClinrayError, ConfigError, ObjectChanged, TransientError

_STATUS = re.compile(r"status code: (\d{3})")

_WRONG_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "incorrectly configured region")

_PASSING = (408, 409, 425, 429)  # the answers below 500 that may be another one later


def local_error(error: OSError, path: str) -> ClinrayError:
    """AccessError for what a person must change, else TransientError."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return AccessError("STORE_REFUSED", f"{path} may not be read or written by this user")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AccessError("STORE_FULL", f"no space is left where {path} is written")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
        return AccessError("STORE_PATH", f"{path} cannot be a file there")
    name = errno.errorcode.get(error.errno or 0, "EIO")
    return TransientError("STORE_UNAVAILABLE", f"{path} could not be read or written ({name})")


def status_of(error: Exception) -> int | None:
    """The HTTP status in the text of one of obstore's errors, which has it nowhere else."""
    found = _STATUS.search(str(error))
    return int(found.group(1)) if found else None


def s3_error(error: Exception, uri: str) -> ClinrayError:
    """The project's error for one of obstore's."""
    if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
        return ObjectChanged("OBJECT_GONE", f"{uri} is no longer there")
    if isinstance(error, raised.PreconditionError):
        return ObjectChanged("OBJECT_CHANGED", f"{uri} is another version than was listed")
    refused = isinstance(error, raised.PermissionDeniedError | raised.UnauthenticatedError)
    return _answered(str(error), status_of(error) or (403 if refused else None), uri)


def boto_error(error: ClientError | BotoCoreError, uri: str) -> ClinrayError:
    """The project's error for one of boto3's."""
    if isinstance(error, NoCredentialsError | ProfileNotFound):
        return AccessError("CREDENTIALS_MISSING", "no AWS credentials were found by boto3's chain")
    if not isinstance(error, ClientError):
        return _answered("", None, uri)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    code = error.response["Error"]["Code"]
    if status == 404 and code != "NoSuchBucket":
        return ObjectChanged("OBJECT_GONE", f"{uri} is no longer there")
    if status == 412:
        return ObjectChanged("OBJECT_CHANGED", f"{uri} is another version than was listed")
    return _answered(code, status, uri)


def _answered(text: str, status: int | None, uri: str) -> ClinrayError:
    """The error for an answer of S3. text: holds S3's own code somewhere. status: None where there was no answer."""
    shown = f" ({status})" if status else ""
    if "NoSuchBucket" in text:
        return AccessError("BUCKET_MISSING", f"the bucket of {uri} does not exist")
    if any(code in text for code in _WRONG_REGION):
        return AccessError("STORE_REGION", f"the bucket of {uri} lies in another region than was asked{shown}")
    if "InvalidObjectState" in text:
        return TransientError("OBJECT_ARCHIVED", f"{uri} lies in an archive and must be restored first")
    if status == 501:
        return ConfigError("STORE_UNSUPPORTED", f"the store of {uri} does not know an operation that is needed{shown}")
    if status is not None and 300 <= status < 500 and status not in _PASSING:
        return AccessError("STORE_REFUSED", f"the store refuses {uri}: check credentials, rights and region{shown}")
    return TransientError("STORE_UNAVAILABLE", f"the store did not answer for {uri} after bounded retries{shown}")


def backoff(attempt: int) -> float:
    """Seconds before attempt `attempt + 1`: up to 0.1, 0.2, 0.4 … 10, drawn evenly (full jitter)."""
    return random.uniform(0, min(10.0, 0.1 * 2**attempt))  # noqa: S311 - spreads clients, guards nothing
