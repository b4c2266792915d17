"""Django's and Celery's settings: one plain module, read from the registry in `boot.env`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dj_database_url
import dj_email_url
from django.utils.csp import CSP
from kombu import Queue

from boot import broker, drain
from boot.env import QUEUES, load_or_exit
from boot.logs import logging_config
from boot.places import BASE_DIR

env = load_or_exit()

# The core

DEBUG = env["DJANGO_DEBUG"]
PRODUCTION = env["DJANGO_CONFIGURATION"] == "Production"
SECRET_KEY = env["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = env["DJANGO_ALLOWED_HOSTS"]
PUBLIC_URL = env["PUBLIC_URL"]
HTTPS = PUBLIC_URL.startswith("https://")
PROXY_COUNT = env["PROXY_COUNT"]
ROOT_URLCONF = "boot.urls"
WSGI_APPLICATION = "boot.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "boot.apps.BootConfig",
    "apps.accounts",
    "apps.ops",
    "apps.broker",
    "apps.scheduler",  # before django_celery_beat: it overrides one of its templates
    "apps.uploads",  # sample
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "django_celery_beat",
    "django_celery_results",
    "django_htmx",
]

MIDDLEWARE = [
    "apps.ops.middleware.HealthMiddleware",  # before the host check and the redirect to HTTPS
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",  # last, as django-axes asks
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LOGGING = logging_config(env["LOG_LEVEL"], env["LOG_FORMAT"])

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env["TIME_ZONE"]
USE_TZ = True

# Places

STATE_DIR = env["DOORITO_STATE_DIR"]
RUNTIME_DIR = env["DOORITO_RUNTIME_DIR"]  # where programs report
DRAINING_FILE = RUNTIME_DIR / drain.NAME  # is there while the stack stops
MEDIA_ROOT = env["MEDIA_ROOT"]
STATIC_URL = "/static/"
STATIC_ROOT = env["STATIC_ROOT"]
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Debug pages need no manifest, so that a page can be changed without collectstatic.
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
        # Public, and often collected by another user than the one who serves them; the umask decides of
        # the compressed copies beside them.
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
# With debug on, files are found where they lie, and there is no folder of collected ones to warn of.
WHITENOISE_AUTOREFRESH = DEBUG
# The first keeps strangers from filling the disk: Django reads a form and its files before it asks a view.
FILE_UPLOAD_HANDLERS = [
    "apps.ops.bodies.SmallBody",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
]
# Uploads are private: to the group and to others as well.
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# Database

DATABASES: dict[str, Any] = {
    "default": dj_database_url.parse(
        env["DATABASE_URL"],
        conn_max_age=60,  # seconds: spares a connection per request
        conn_health_checks=True,  # a restarted server costs no request
    ),
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3") and DATABASES["default"]["NAME"] != ":memory:":
    DATABASES["default"]["NAME"] = str(BASE_DIR / DATABASES["default"]["NAME"])
# The broker's tables, where they have a database of their own.
if _own := broker.own_database(env, DATABASES["default"]):
    DATABASES[broker.ALIAS] = _own
    DATABASE_ROUTERS = ["apps.broker.database_router.BrokerRouter"]
# Django's name of the database that they are in; None where the broker is not PostgreSQL.
BROKER_DATABASE = broker.ALIAS if _own else "default" if broker.has_tables(env) else None
# A host that swallows packets would hold a request for minutes. Seconds, the last in milliseconds; what
# the URL says wins.
_patience = {
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "tcp_user_timeout": 15_000,
}
for _database in DATABASES.values():
    if _database["ENGINE"].endswith("postgresql"):
        _database["OPTIONS"] = _patience | _database.get("OPTIONS", {})

# Security

SECURE_SSL_REDIRECT = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_COUNT else None
SECURE_HSTS_SECONDS = env["HSTS_SECONDS"] if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env["HSTS_INCLUDE_SUBDOMAINS"]
SECURE_HSTS_PRELOAD = env["HSTS_PRELOAD"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.ops.reports.ReporterFilter"  # URLs hold passwords
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "data:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}
SILENCED_SYSTEM_CHECKS = [
    # HSTS for subdomains and preload reach beyond this site and are hard to undo: opt-in by
    # HSTS_INCLUDE_SUBDOMAINS and HSTS_PRELOAD.
    "security.W005",
    "security.W021",
]

# Accounts

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: it refuses whoever has to wait
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_RESET_TIMEOUT = 3600  # seconds: the link stands in logs and mailboxes
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # or whoever keeps trying waits for ever
# The e-mail address as it is stored: no other spelling gets round the limit.
AXES_USERNAME_CALLABLE = "apps.accounts.lockout.username"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_TEMPLATE = "accounts/locked.html"
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "apps.ops.proxy.client_address"
AXES_VERBOSE = False

# Mail

_mail = dj_email_url.parse(env["EMAIL_URL"])
vars().update(_mail)
if env["EMAIL_URL"].startswith("console:"):
    EMAIL_BACKEND = "apps.ops.mail.ConsoleBackend"  # Django's own cuts a link in two
EMAIL_TIMEOUT = _mail["EMAIL_TIMEOUT"] or 10  # seconds; without one, a mute mail server holds a worker
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env["DEFAULT_FROM_EMAIL"]

# Celery

CELERY_BROKER_URL = env["CELERY_BROKER_URL"]
BROKER_MAX_DELIVERIES = env["BROKER_MAX_DELIVERIES"]
BROKER_TRANSACTIONAL = env["BROKER_TRANSACTIONAL"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # wait for a broker that is away, however long
CELERY_RESULT_BACKEND = "django-db"
CELERY_RESULT_EXPIRES = timedelta(hours=env["CELERY_RESULT_EXPIRES_HOURS"])
CELERY_TASK_ALWAYS_EAGER = env["CELERY_TASK_ALWAYS_EAGER"]
CELERY_TASK_QUEUES = [Queue(name) for name in QUEUES]
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a misspelt queue fails at once; nobody would consume it
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
# A task whose process or worker dies is given back and runs again; on PostgreSQL no more often than
# BROKER_MAX_DELIVERIES, on other brokers the task itself must bound it (`uploads` counts).
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_TIME_LIMIT = env["CELERY_TASK_TIME_LIMIT_S"]
CELERY_TASK_SOFT_TIME_LIMIT = env["CELERY_TASK_SOFT_TIME_LIMIT_S"]
CELERY_WORKER_CONCURRENCY = env["CELERY_CONCURRENCY"]
CELERY_WORKER_MAX_MEMORY_PER_CHILD = env["CELERY_MAX_MEMORY_PER_CHILD"] or None
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # a waiting task goes to whichever process is free
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CONSUMER = "boot.consumer:Consumer"
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULER = "apps.scheduler.database:WaitingScheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "keep-house": {
        "task": "ops.keep_house",
        "schedule": timedelta(days=1),
        "options": {"queue": "default"},
    },
    "maintain-broker": {
        "task": "broker.maintain",
        "schedule": timedelta(minutes=5),
        "options": {"queue": "default"},
    },
}
# Schedules that a variable owns: the admin refuses to edit them and names the variable.
SCHEDULE_VARIABLES: dict[str, str] = {}

# sample: begin
UPLOAD_MAX_BYTES = env["UPLOAD_MAX_MB"] * 1_000_000
UPLOAD_LIFETIME = timedelta(hours=env["UPLOAD_LIFETIME_HOURS"])
CELERY_BEAT_SCHEDULE["clean-up-uploads"] = {
    "task": "uploads.clean_up",
    "schedule": timedelta(seconds=max(1, round(env["CLEANUP_UPLOADS_INTERVAL_HOURS"] * 3600))),
    "options": {"queue": "default"},
}
CELERY_BEAT_SCHEDULE["rescue-uploads"] = {
    "task": "uploads.rescue",
    "schedule": timedelta(minutes=5),
    "options": {"queue": "default"},
}
SCHEDULE_VARIABLES["clean-up-uploads"] = "CLEANUP_UPLOADS_INTERVAL_HOURS"
# sample: end
