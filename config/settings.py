"""Every setting of Winnow, read from the environment. Importing this never starts anything."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import SELF
from django.core.exceptions import ImproperlyConfigured

from config import env

# Lets ModelForm[User] and ModelAdmin[User] be written at run time as the type checker wants them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.text("WINNOW_VAR") or BASE_DIR / "var").resolve()

DEBUG = env.boolean("DEBUG", default=False)
HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", 8000)
SITE_URL = env.text("SITE_URL", f"http://{'localhost' if HOST in {'0.0.0.0', '::'} else HOST}:{PORT}")  # noqa: S104
SITE_IS_TLS = urlsplit(SITE_URL).scheme == "https"


def _kept(name: str, file: str) -> str:
    """A value from the environment, else what `manage.py up` wrote under var/."""
    if value := env.text(name):
        return value
    path = VAR_DIR / file
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


# Empty until `make up` has made the keys: Django then refuses to serve and names SECRET_KEY.
SECRET_KEY = _kept("SECRET_KEY", "secret_key")
FIELD_ENCRYPTION_KEY = _kept("FIELD_ENCRYPTION_KEY", "field_encryption_key")

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", f"{urlsplit(SITE_URL).hostname},localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [SITE_URL, *env.words("CSRF_TRUSTED_ORIGINS")]
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=SITE_IS_TLS)
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000 if SITE_IS_TLS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SITE_IS_TLS
SECURE_HSTS_PRELOAD = SITE_IS_TLS
# Probes and the supervisor ask over plain HTTP on the inner address.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SITE_IS_TLS
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
if env.boolean("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "django_htmx",
    "django_rq",
    "ninja",  # serves the scripts of the API's documentation from here, not from a CDN that the CSP forbids
    "storages",
    "config",
    "apps.common",
    "apps.accounts",
    "apps.taxonomies",
    "apps.warehouse",
    "apps.projects",
    "apps.labeling",
    "apps.autolabel",
    "apps.api",
]

MIDDLEWARE = [
    "apps.common.logs.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.warehouse.csp.ImagesFromStorages",
    "config.limits.BodyLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "apps.common.http.ConflictMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "apps.accounts.context.shell",
            ],
        },
    }
]


def database(url: str) -> dict[str, Any]:
    """A Django database from postgresql://user:password@host:port/name?host=/socket/folder."""
    from urllib.parse import parse_qsl, unquote

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read as an address: {error}.") from None
    if url and parts.scheme not in {"postgres", "postgresql"}:
        raise ImproperlyConfigured(f"DATABASE_URL must begin with postgresql://, not {parts.scheme}://.")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    host = options.pop("host", parts.hostname or "")
    pooled = env.boolean("DATABASE_POOL", default=True)
    if pooled:
        options["pool"] = {"min_size": 1, "max_size": env.integer("DATABASE_POOL_SIZE", 16), "timeout": 10}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or options.pop("port", "")),
        "OPTIONS": options,
        # Also for the pool: it then hands out no connection that a restart of PostgreSQL has broken.
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
    }


# Named from outside, or those of the `manage.py up` that runs from this folder; empty when nothing runs.
DATABASE_URL_NAMED = env.text("DATABASE_URL")
REDIS_URL_NAMED = env.text("REDIS_URL")
DATABASE_URL = _kept("DATABASE_URL", "database_url")
REDIS_URL = _kept("REDIS_URL", "redis_url")
DATABASES = {"default": database(DATABASE_URL)}

RQ_PREFIX = env.text("RQ_PREFIX")
QUEUES = {name: f"{RQ_PREFIX}{name}" for name in ("default", "training", "inference")}
RQ_QUEUES = {full: {"URL": REDIS_URL or "redis://localhost:6379/0", "DEFAULT_TIMEOUT": -1} for full in QUEUES.values()}
# Worker processes of each queue that `manage.py up` runs on this machine.
WORKERS = {name: env.integer(f"WORKERS_{name.upper()}", 1) for name in QUEUES}
WORKER_TTL_SECONDS = 60
# Who enqueues gives up on Redis after so long: the sweeper enqueues later.
QUEUE_TIMEOUT_SECONDS = env.number("QUEUE_TIMEOUT_SECONDS", 2)
RQ_SHOW_ADMIN_LINK = True

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL or "redis://localhost:6379/0",
        "KEY_PREFIX": f"{RQ_PREFIX}winnow",
    }
}

# Long jobs (seconds). Tests run with periods of one second.
RUN_HEARTBEAT_SECONDS = env.number("RUN_HEARTBEAT_SECONDS", 5)
RUN_STALE_SECONDS = env.number("RUN_STALE_SECONDS", 45)
SWEEP_SECONDS = env.number("SWEEP_SECONDS", 15)
# Ended runs that nothing points to are forgotten after so many days.
RUNS_KEPT_DAYS = max(1, env.integer("RUNS_KEPT_DAYS", 90))
LEASE_SECONDS = env.integer("LEASE_SECONDS", 1800)

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Where mail reaches people, an address counts only once verified; on the console nobody would find the link.
ACCOUNT_EMAIL_VERIFICATION = env.choice(
    "EMAIL_VERIFICATION", "mandatory" if env.text("EMAIL_HOST") else "optional", ("mandatory", "optional")
)
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "apps.accounts.adapters.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "apps.accounts.forms.LoginForm",
    "signup": "apps.accounts.forms.SignupForm",
    "reset_password": "apps.accounts.forms.ResetPasswordForm",
    "add_email": "apps.accounts.forms.AddEmailForm",
    "change_password": "apps.accounts.forms.ChangePasswordForm",
    "set_password": "apps.accounts.forms.SetPasswordForm",
    "reset_password_from_key": "apps.accounts.forms.ResetPasswordKeyForm",
    "reauthenticate": "apps.accounts.forms.ReauthenticateForm",
}
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_USER_DISPLAY = str
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if SITE_IS_TLS else "http"
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.boolean("BEHIND_PROXY", default=False) else 0
MFA_TOTP_ISSUER = "Winnow"
MFA_TOTP_TOLERANCE = 1  # codes before and after: clocks differ, and a code turns while it is typed
USERSESSIONS_TRACK_ACTIVITY = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
OWNER_EMAIL = env.text("OWNER_EMAIL", "owner@example.com")
SIGNUP = env.choice("SIGNUP", "open", ("open", "invited"))
ORGANIZATIONS_OWNED_LIMIT = env.integer("ORGANIZATIONS_OWNED_LIMIT", 1)
INVITATION_DAYS = env.integer("INVITATION_DAYS", 7)
INVITATIONS_PER_HOUR = env.integer("INVITATIONS_PER_HOUR", 100)

# Sign-in through an OpenID Connect provider, when one is named.
OIDC_SERVER_URL = env.text("OIDC_SERVER_URL")
SOCIALACCOUNT_ADAPTER = "apps.accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = env.boolean("OIDC_TRUST_EMAIL", default=False)
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
_OIDC_APP: dict[str, Any] = {
    "provider_id": "oidc",
    "name": env.text("OIDC_NAME", "single sign-on"),
    "client_id": env.text("OIDC_CLIENT_ID"),
    "secret": env.text("OIDC_CLIENT_SECRET"),
    "settings": {"server_url": OIDC_SERVER_URL},
}
_OIDC_ORIGIN = ["{0.scheme}://{0.netloc}".format(urlsplit(OIDC_SERVER_URL))] if OIDC_SERVER_URL else []
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {"APPS": [_OIDC_APP] if OIDC_SERVER_URL else [], "OAUTH_PKCE_ENABLED": True}
}

_MAIL = "smtp" if env.text("EMAIL_HOST") else "console"
EMAIL_BACKEND = env.text("EMAIL_BACKEND", f"django.core.mail.backends.{_MAIL}.EmailBackend")
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = env.boolean("EMAIL_USE_TLS", default=False)
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Winnow <winnow@localhost>")

S3_BUCKET = env.text("S3_BUCKET")
MEDIA_ROOT = Path(env.text("MEDIA_ROOT", str(VAR_DIR / "media")))
MODELS_ROOT = Path(env.text("MODELS_ROOT", str(VAR_DIR / "models")))
_FILES: dict[str, Any] = {"BACKEND": "django.core.files.storage.FileSystemStorage"}
_S3: dict[str, Any] = {
    "BACKEND": "storages.backends.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": env.text("S3_ENDPOINT") or None,
        "region_name": env.text("S3_REGION") or None,
        "access_key": env.text("S3_ACCESS_KEY") or None,
        "secret_key": env.text("S3_SECRET_KEY") or None,
        "querystring_expire": 2 * LEASE_SECONDS,
        "file_overwrite": False,
    },
}
STORAGES = {
    "default": _S3 if S3_BUCKET else _FILES,
    "staticfiles": {"BACKEND": "config.static.HashedStorage"},
}
# Folders of this machine from which the pages may import; none by default: a page could read any file there.
IMPORT_FOLDERS = env.words("IMPORT_FOLDERS")
STORAGE_ALLOW_PRIVATE = env.boolean("STORAGE_ALLOW_PRIVATE", default=False)
# Whether a bucket may be reached without keys, as this machine: whoever adds one reads all that the machine may read.
STORAGE_ALLOW_ROLE = env.boolean("STORAGE_ALLOW_ROLE", default=False)
DETECTOR_PRESET = env.choice("DETECTOR_PRESET", "", ("", "tiny", "cpu", "gpu"))

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("BODY_LIMIT_BYTES", 16 * 1024 * 1024)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000
API_REQUESTS_PER_MINUTE = env.integer("API_REQUESTS_PER_MINUTE", 6000)
UPLOAD_LIMIT_BYTES = env.integer("UPLOAD_LIMIT_BYTES", 512 * 1024 * 1024)

CONTENT_SECURITY_POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "blob:", "data:", *env.words("CSP_IMG_SRC")],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "form-action": [SELF, *_OIDC_ORIGIN],
        "frame-ancestors": ["'none'"],
    }
}

LANGUAGE_CODE = "en"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOG_FORMAT = env.choice("LOG_FORMAT", "json", ("json", "text"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "apps.common.logs.JsonFormatter"},
        "text": {"()": "apps.common.logs.TextFormatter", "format": "%(levelname)-7s %(name)s: %(message)s"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "propagate": True},
        # One line for every refused request is enough: that of winnow.request.
        "django.request": {"level": "ERROR"},
    },
}
