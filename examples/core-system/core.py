#!/usr/bin/env python3
"""A small stand-in for an insurer's core system. Python's standard library, nothing else.

It owns the policies, hears of every event, and decides claims through the API alone, as its own
process. See README.md beside it. What it shows:

* POST /policies   the look-up of a policy (signed by the claims server)
* POST /events     events of claims (Standard Webhooks), each booked once, whatever arrives twice
* POST /messages   the message gateway: here it only remembers
* commands         a worker asks for each claim what it may do, and does the next thing
* the bank         each payment ordered is answered as paid

Its books are an SQLite file, so it may be killed at any time.
"""

import base64
import hashlib
import hmac
import json
import os
import random
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SETTING = json.load(open(sys.argv[1], encoding="utf-8"))
SERVER = SETTING["server"]
# For tests: this share of events is answered 500, half of them after they were booked.
FAILS = random.Random(SETTING.get("seed", 0))
SHARE = SETTING.get("fail_percent", 0) / 100
POINTS = "contract event loss costs evidence conditions amount complete".split()


class Books:
    """What must not be lost: which events were seen, and which claims wait to be looked at."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.db.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = FULL;
            CREATE TABLE IF NOT EXISTS event (
              id TEXT PRIMARY KEY, claim TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS todo (claim TEXT PRIMARY KEY, since INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS message (phone TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS fault (what TEXT NOT NULL);
            CREATE TABLE IF NOT EXISTS answer (status INTEGER NOT NULL, repeated INTEGER NOT NULL);
            """
        )

    def ask(self, sql, *values):
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def book(self, event):
        """Books an event once, in the transaction that makes its claim a thing to do."""
        claim, seq = event["subject"], event["data"]["event"]["seq"]
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            last = self.db.execute("SELECT coalesce(max(seq), 0) FROM event WHERE claim = ?", (claim,)).fetchone()[0]
            known = self.db.execute("SELECT 1 FROM event WHERE id = ?", (event["id"],)).fetchone()
            if not known:
                if seq != last + 1:
                    self.db.execute("INSERT INTO fault VALUES (?)", (f"{event['id']} came after {last}",))
                self.db.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (event["id"], claim, seq, json.dumps(event)))
                self.db.execute("INSERT OR REPLACE INTO todo VALUES (?, ?)", (claim, time.monotonic_ns()))
            self.db.execute("COMMIT")
            return bool(known)


BOOKS = Books(SETTING["books"])


def mac(key, text):
    return hmac.new(key, text, hashlib.sha256)


class Door(BaseHTTPRequestHandler):
    """What others send to us."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=None):
        text = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        doors = {"/policies": self.policies, "/events": self.events, "/messages": self.messages}
        doors.get(self.path, lambda _: self.answer(404))(body)

    def is_signed(self, peer, body):
        right = "hmac-sha256=" + mac(bytes.fromhex(SETTING["keys"][peer]), body).hexdigest()
        return hmac.compare_digest(self.headers.get("signature", ""), right)

    def policies(self, body):
        """The policy that is asked for by number, plate or ID number."""
        if not self.is_signed("policies", body):
            return self.answer(401)
        wish = json.loads(body)

        def fits(policy):
            people = [policy["holder"], *policy["insured"]]
            return policy["lob"] == wish["lob"] and (
                wish.get("no") == policy["no"]
                or (wish.get("plate") and wish["plate"] == policy.get("vehicle", {}).get("plate"))
                or (wish.get("id_no") and wish["id_no"] in [person.get("id_no") for person in people])
            )

        self.answer(200, {"policy": next(filter(fits, SETTING["policies"]), None)})

    def events(self, body):
        """An event of a claim: verified, booked, answered. What it leads to is done afterwards."""
        name, at = self.headers["webhook-id"], self.headers["webhook-timestamp"]
        key = base64.b64decode(SETTING["hook_secret"].removeprefix("whsec_"))
        right = "v1," + base64.b64encode(mac(key, f"{name}.{at}.".encode() + body).digest()).decode()
        # Two while the key is being changed.
        signatures = self.headers["webhook-signature"].split(" ")
        if not any(hmac.compare_digest(said, right) for said in signatures) or abs(time.time() - int(at)) > 300:
            BOOKS.ask("INSERT INTO fault VALUES (?)", f"{name} is not signed")
            return self.answer(401)
        fails = FAILS.random() < SHARE
        if fails and FAILS.random() < 0.5:
            BOOKS.ask("INSERT INTO answer VALUES (500, 0)")
            return self.answer(500)
        repeated = BOOKS.book(json.loads(body))
        BOOKS.ask("INSERT INTO answer VALUES (?, ?)", 500 if fails else 204, repeated)
        self.answer(500 if fails else 204)

    def messages(self, body):
        """What customers would read on their phones."""
        if not self.is_signed("messages", body):
            return self.answer(401)
        message = json.loads(body)
        BOOKS.ask("INSERT INTO message VALUES (?, ?, ?)", message["phone"], message["kind"], message["text"])
        self.answer(204)


class Desk:
    """An account at the claims server, with a token that is renewed as needed."""

    def __init__(self, name):
        self.name, self.secret, self.token = name, SETTING["accounts"][name], None

    def call(self, method, path, body=None, key=None):
        for _ in range(2):
            if self.token is None:
                form = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
                basic = base64.b64encode(f"{self.name}:{self.secret}".encode()).decode()
                headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}
                self.token = sent("POST", "/api/v1/systems/token", headers, form)[1]["access_token"]
            headers = {"authorization": f"Bearer {self.token}"}
            if body is not None:
                headers |= {"content-type": "application/json", "idempotency-key": key}
                text = json.dumps(body).encode()
            else:
                text = None
            status, answer = sent(method, f"/api/v1/systems/{path}", headers, text)
            if status != 401:
                return status, answer
            self.token = None
        return status, answer

    def take(self, claim, seq, kind, **fields):
        """Takes a step. The key names the state in which it was decided: however often this runs,
        it is carried out once."""
        key = hashlib.sha256(f"{claim} {seq} {kind} {fields.get('document', '')}{fields.get('payee', '')}".encode()).hexdigest()[:40]
        body = {"kind": kind, "fields": fields, "by": SETTING["people"][self.name]}
        status, answer = self.call("POST", f"claims/{claim}/steps", body, key)
        if status >= 500:
            raise OSError(f"{kind}: {status}")
        return status == 200, answer


def sent(method, path, headers, body):
    request = urllib.request.Request(SERVER + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


CLAIMS, MONEY = Desk("core-claims"), Desk("core-money")


def handle(claim):
    """Does the next thing in a claim; what follows from it comes back as an event."""
    status, view = MONEY.call("GET", f"claims/{claim}")
    if status != 200:
        raise OSError(f"claim: {status}")
    events = view["events"]
    kinds = [event["what"] if isinstance(event["what"], str) else next(iter(event["what"])) for event in events]
    seq, allowed = events[-1]["seq"], CLAIMS.call("GET", f"claims/{claim}")[1]["allowed"]
    requested, may = "requested" in kinds, lambda kind: kind in allowed
    if "policy" not in view:
        return
    if may("registered") and "registered" not in kinds:
        CLAIMS.take(claim, seq, "registered", handler="核心系统")
    elif may("survey-skipped"):
        CLAIMS.take(claim, seq, "survey-skipped", reason="照片足够")
    elif may("assessed") and "assessed" not in kinds:
        CLAIMS.take(claim, seq, "assessed", lines="前保险杠 更换 800.00")
    elif requested and may("approved") and "approved" not in kinds:
        line = {"item": "损失", "basis": "条款第六条", "excluded_because": "条款第八条",
                "share_because": "按责任比例", "deductible_because": "条款约定的免赔"}
        CLAIMS.take(claim, seq, "approved", **line, **{f"check-{point}": "yes" for point in POINTS})
    elif "approved" in kinds and "payees-named" in kinds and "payment-ordered" not in kinds:
        # Papers that came are accepted; for those that cannot be had, our own records serve.
        CLAIMS.take(claim, seq, "document-judged", document="*", accepted="yes")
        for gap in MONEY.call("GET", f"claims/{claim}")[1]["gaps"]:
            paper = isinstance(gap, dict) and (gap.get("verdict") or gap.get("paper"))
            if paper:
                CLAIMS.take(claim, seq, "document-waived", document=paper, reason="核心系统已有")
        MONEY.take(claim, seq, "payment-ordered", payee="1", instruction=f"{claim}-{seq}")
    # The bank's stand-in.
    if "payment-ordered" in kinds and "paid" not in kinds:
        ordered = [e["what"]["payment-ordered"] for e in events if "payment-ordered" in e["what"]]
        body = json.dumps({"instruction": ordered[-1]["instruction"], "paid": True, "reference": f"R-{claim}"}).encode()
        signature = "hmac-sha256=" + mac(bytes.fromhex(SETTING["keys"]["bank"]), body).hexdigest()
        sent("POST", "/api/v1/bank/answers", {"content-type": "application/json", "signature": signature}, body)


def work():
    while True:
        for claim, since in BOOKS.ask("SELECT claim, since FROM todo ORDER BY since"):
            try:
                handle(claim)
                BOOKS.ask("DELETE FROM todo WHERE claim = ? AND since = ?", claim, since)
            except (OSError, KeyError) as error:
                print(f"{claim}: {error!r}", file=sys.stderr)
        time.sleep(0.05)


if __name__ == "__main__":
    address, port = SETTING["listen"].rsplit(":", 1)
    door = ThreadingHTTPServer((address, int(port)), Door)
    threading.Thread(target=work, daemon=True).start()
    print("listening", flush=True)
    door.serve_forever()
