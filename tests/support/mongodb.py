"""Looks into a MongoDB database for the tests, by MongoDB's own driver: mongodb.py URL VERB ARGUMENTS...

rows COLLECTION FIELD...    one line per document in the order of `_id`, fields parted by `|`; `_id` may be one
count COLLECTION FIELD VALUE    how many documents have this number there
checkpoint SYNC             run, epoch, batch, first_change and next_change of hydrant's own document
remembered SYNC             the whole of hydrant's own document
make COLLECTION LIMIT       a collection with a unique `name` and a rule for `score`, as an application would have it
account USER PASSWORD       makes an account that may do everything
types COLLECTION FIELD...   one line per document: the types of fields, by MongoDB's names, parted by `|`
set COLLECTION FIELD VALUE  sets a number in all documents
now                         a moment in the server's log
writes COLLECTION MOMENT    one line per document: `_id`, and how often it was written since, as the server's log has it
"""

import json
import sys

from bson import Timestamp
from pymongo import MongoClient

url, verb, *arguments = sys.argv[1:]
client = MongoClient(url)
database = client.get_default_database()


def text(value):
    if value is None:
        return ""
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, default=str)
    return str(value)


def rows(collection, *fields):
    for document in database[collection].find().sort("_id", 1):
        print("|".join(text(document.get(field)) for field in fields))


def count(collection, field, value):
    print(database[collection].count_documents({field: int(value)}))


def checkpoint(sync):
    found = database["hydrant_checkpoint"].find_one({"_id": sync}) or {}
    if "run" in found:
        print("|".join(text(found[field]) for field in ("run", "epoch", "batch", "first_change", "next_change")))


def remembered(sync):
    print(database["hydrant_checkpoint"].find_one({"_id": sync}))


def account(user, password):
    client.admin.command("createUser", user, pwd=password, roles=["root"])


def types(collection, *fields):
    kinds = {f"type {field}": {"$type": f"${field}"} for field in fields}
    for document in database[collection].aggregate([{"$addFields": kinds}]):
        found = []
        for field in fields:
            kind, value = document[f"type {field}"], document.get(field)
            # Generic bytes are decoded as such, all others with their subtype.
            found.append(f"binData {getattr(value, 'subtype', 0)}" if kind == "binData" else kind)
        print("|".join(found))


def make(collection, limit):
    rule = {"$or": [{"score": {"$lt": int(limit)}}, {"score": None}]}
    database.create_collection(collection, validator=rule)
    database[collection].create_index("name", unique=True)


def set_all(collection, field, value):
    database[collection].update_many({}, {"$set": {field: int(value)}})


def now():
    at = client.admin.command("ping")["operationTime"]
    print(f"{at.time},{at.inc}")


def writes(collection, moment):
    # A transaction is one entry with its writes inside, or an entry for each of them.
    name, times = f"{database.name}.{collection}", {}

    def seen(entry):
        if entry.get("ns") == name and entry["op"] in "iud":
            key = entry.get("o2", entry["o"])["_id"]
            times[key] = times.get(key, 0) + 1

    since = {"ts": {"$gt": Timestamp(*map(int, moment.split(",")))}}
    for entry in client.local["oplog.rs"].find(since | {"$or": [{"ns": name}, {"o.applyOps.ns": name}]}):
        seen(entry)
        for inner in entry["o"].get("applyOps", []):
            seen(inner)
    for document in database[collection].find({}, {"_id": 1}):
        print(f"{document['_id']}|{times.get(document['_id'], 0)}")


verbs = {"rows": rows, "count": count, "checkpoint": checkpoint, "remembered": remembered, "make": make}
verbs |= {"account": account, "types": types, "set": set_all, "now": now, "writes": writes}
verbs[verb](*arguments)
