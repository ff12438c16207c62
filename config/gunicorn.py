"""How gunicorn serves Winnow: `gunicorn -c config/gunicorn.py config.wsgi`."""

import os

from config import env
from config.settings import HOST, LOGGING, PORT

bind = f"[{HOST}]:{PORT}" if ":" in HOST else f"{HOST}:{PORT}"
worker_class = "gthread"
workers = env.integer("WEB_WORKERS", 2)
threads = env.integer("WEB_THREADS", 8)
timeout = 60
graceful_timeout = 4
keepalive = 5
# The heartbeat files of gunicorn must not wait for a disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
control_socket_disable = True
logconfig_dict = {
    **LOGGING,
    "loggers": {
        **LOGGING.get("loggers", {}),
        "gunicorn.error": {"level": "INFO"},
        "gunicorn.access": {"level": "ERROR"},
    },
}
