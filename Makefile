# What a developer types. Needs Python 3.12 or newer with venv, make and a package index; the rest is installed.
.DEFAULT_GOAL := help
SHELL := /bin/sh

bin := .venv/bin
compose_dev := docker compose -f docker-compose.yml -f docker-compose.dev.yml

# What runs reads its variables from here; the process environment wins over it. Tests and checks do not.
run dev migrate superuser shell env: export DOORITO_ENV_FILE ?= .env.local

.venv/.run: uv.lock pyproject.toml boot/bootstrap.sh
	@boot/bootstrap.sh run

.venv/.all: uv.lock pyproject.toml boot/bootstrap.sh
	@boot/bootstrap.sh all

.env.local: | .venv/.run
	@./doorito setup

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-25s %s\n", $$1, $$2 }'

.PHONY: setup
setup: .venv/.run .env.local ## make .venv and .env.local, start nothing

.PHONY: run
run: .venv/.run .env.local ## set up what is missing and start everything; Ctrl-C stops it
	@exec ./doorito run all

.PHONY: dev
dev: .venv/.run .env.local ## the same, each program restarted when a file changes
	@exec ./doorito run --reload all

.PHONY: test
test: .venv/.all ## run all tests, two files at a time; PYTEST="-n 0" runs one after another
	@$(bin)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST)

.PHONY: test-reference
test-reference: .venv/.all ## RabbitMQ's side of the broker's tests, which is what ours is measured against
	@$(bin)/python -m pytest -m reference tests/apps/broker

.PHONY: check
check: .venv/.all ## lint, types, import rules, generated files
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy
	$(bin)/lint-imports
	@./doorito env check
	@$(bin)/python manage.py makemigrations --check --dry-run
	@$(bin)/tailwindcss -i assets/css/main.css -o .venv/main.css --minify 2>/dev/null
	@cmp -s .venv/main.css static/css/main.css || { echo 'static/css/main.css is stale; run `make css`' >&2; exit 1; }

.PHONY: format
format: .venv/.all ## format the code and mend what can be mended
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

.PHONY: migrate
migrate: .venv/.run .env.local ## apply the migrations
	@./doorito run manage migrate

.PHONY: superuser
superuser: .venv/.run .env.local ## create an administrator
	@./doorito run manage createsuperuser

.PHONY: shell
shell: .venv/.run .env.local ## Django's shell
	@./doorito run manage shell

.PHONY: env
env: .venv/.run .env.local ## every variable, its value and where that comes from
	@./doorito env

.PHONY: css
css: .venv/.all ## compile assets/css to static/css/main.css
	$(bin)/tailwindcss -i assets/css/main.css -o static/css/main.css --minify

.PHONY: css-watch
css-watch: .venv/.all ## the same, at each change
	$(bin)/tailwindcss -i assets/css/main.css -o static/css/main.css --minify --watch

.PHONY: bench-start
bench-start: .venv/.all ## time a start, stage by stage
	@$(bin)/python -m tests.bench.start

# Random where Compose asks for a secret; a production .env is filled in by hand.
.env: | .env.example
	@umask 077; key() { head -c 48 /dev/urandom | base64 | tr -d '\n' | tr '+/' '-_'; }; \
	sed -e "s/^DJANGO_SECRET_KEY=$$/&$$(key)/" -e "s/^DATABASE_PASSWORD=$$/&$$(key)/" \
	    -e "s/^DJANGO_ALLOWED_HOSTS=$$/&localhost,127.0.0.1/" \
	    -e "s/^#\(DJANGO_SUPERUSER_EMAIL=\)$$/\1admin@example.com/" \
	    -e "s/^#\(DJANGO_SUPERUSER_PASSWORD=\)$$/\1$$(key)/" .env.example > .env.new && mv .env.new .env
	@echo 'doorito: wrote .env, with random secrets, for docker compose; yours to edit' >&2

.PHONY: docker-build
docker-build: ## build the image
	docker build --tag doorito --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" .

# In development files belong to whoever owns the source.
docker-up docker-down docker-logs docker-shell: export DEV_UID ?= $(shell id -u)
docker-up docker-down docker-logs docker-shell: export DEV_GID ?= $(shell id -g)

.PHONY: docker-up
docker-up: .env ## start the development stack in containers: Django's server and PostgreSQL
	$(compose_dev) up --build --detach --wait
	@port=$$($(compose_dev) ps --format '{{range .Publishers}}{{if .PublishedPort}}{{.PublishedPort}}{{end}}{{end}}' web); \
	    echo "doorito: http://localhost:$$port, first log-in in .env; make docker-logs, docker-shell, docker-down" >&2

.PHONY: docker-down
docker-down: .env ## stop it; the data stays
	$(compose_dev) --profile celery down

.PHONY: docker-logs
docker-logs: .env ## its logs, as they come
	$(compose_dev) --profile celery logs --follow

.PHONY: docker-shell
docker-shell: .env ## a shell in its web container
	$(compose_dev) exec web sh

.PHONY: bench-image
bench-image: .venv/.all ## what the image weighs, how fast its roles start and stop, what they take
	@$(bin)/python -m tests.bench.image

.PHONY: bench-broker
bench-broker: .venv/.all ## Celery brokers side by side; BENCH="--quick" takes little of each, "--help" says more
	@$(bin)/python -m tests.bench.broker $(BENCH)

.PHONY: bench-supervision
bench-supervision: .venv/.all ## supervision beside stock supervisord, honcho and gunicorn alone; BENCH="--help" says more
	@$(bin)/python -m tests.bench.supervision $(BENCH)
