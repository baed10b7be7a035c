"""What every answer tells a browser: take it for what it says it is, show it in no frame.

After https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html. The pages of
routes/docs.py say besides what they may load.
"""

from config.settings import Settings

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
# For files: should a browser show one all the same, it is nobody's page and runs nothing.
SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox"}
HTTPS_PORT = 443
ONE_YEAR = 365 * 24 * 3600


def security_headers(settings: Settings) -> list[tuple[str, str]]:
    """The headers of every answer.

    Strict-Transport-Security is among them only where it does no harm. It would have browsers
    refuse plain HTTP on *every* port of this host, so the API has to have the usual one. And they
    let nobody past a warning any more, so the certificate has to be one that somebody vouches for.
    """
    headers = list(HEADERS.items())
    if settings.api_port == HTTPS_PORT and _somebody_vouches(settings):
        headers.append(("Strict-Transport-Security", f"max-age={ONE_YEAR}"))
    return headers


def _somebody_vouches(settings: Settings) -> bool:
    from cryptography import x509  # large, and seldom needed

    certificate = x509.load_pem_x509_certificate(settings.ssl_certfile.read_bytes())
    return certificate.issuer != certificate.subject
