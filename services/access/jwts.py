"""Reading signed tokens with joserfc, which checks no claim and allows several algorithms unless it is told."""

from collections.abc import Collection, Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from core.errors import BadCredential, EndedCredential

LONGEST = 16_384
"""Characters of a token: more is refused before it is parsed."""
Claims = dict[str, Any]
CLAIMS: Mapping[str, str] = {
    "iss": "of another issuer",
    "aud": "for another audience",
    "iat": "from the future",
    "nonce": "of another log-in",
}


class UnknownSigningKey(BadCredential):
    """A token names a key that is not known (yet)."""


def read_claims(text: str, keys: KeySet, algorithms: Collection[str], required: JWTClaimsRegistry) -> Claims:
    """The claims of a token that is signed by one of the keys and has what is required.

    Raises BadCredential with the reason: EndedCredential if it is expired and nothing else is wrong with it, and
    UnknownSigningKey.
    """
    if len(text) > LONGEST:
        raise BadCredential("token is too long")
    try:
        claims = jwt.decode(text, keys, algorithms=algorithms).claims
        required.validate(claims)
    except ExpiredTokenError:
        raise EndedCredential("expired token") from None
    except InvalidKeyIdError:
        raise UnknownSigningKey("token of an unknown key") from None
    except (JoseError, ValueError, RecursionError) as error:  # the last by arrays in arrays, and by anybody
        raise BadCredential(_reason(error)) from None
    return claims


def _reason(error: Exception) -> str:
    match error:
        case UnsupportedAlgorithmError():
            return "token of a forbidden algorithm"
        case BadSignatureError():
            return "token with a bad signature"
        case MissingClaimError(claim=claim):
            return f"token without {claim}"
        case ClaimError(claim=claim):
            return f"token {CLAIMS.get(claim, f'with a bad {claim}')}"
    return "malformed token"
