"""Looks into a MongoDB database for the tests, by MongoDB's own driver: mongodb.py URL VERB ARGUMENTS...

rows COLLECTION FIELD...    one line per document in the order of `_id`, fields parted by `|`; `_id` may be one
count COLLECTION FIELD VALUE    how many documents have this number there
checkpoint SYNC             run, epoch, batch, first_change and next_change of hydrant's own document
remembered SYNC             the whole of hydrant's own document
make COLLECTION LIMIT       a collection with a rule for `score`, as an application would have it
unique COLLECTION           values of `name` are unique from now on
account USER PASSWORD       makes an account that may do everything
types COLLECTION FIELD...   one line per document: the types of fields, by MongoDB's names, parted by `|`
set COLLECTION FIELD VALUE  sets a number in all documents
"""

import json
import sys

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


def unique(collection):
    database[collection].create_index("name", unique=True)


def set_all(collection, field, value):
    database[collection].update_many({}, {"$set": {field: int(value)}})


verbs = {"rows": rows, "count": count, "checkpoint": checkpoint, "remembered": remembered, "make": make}
verbs |= {"unique": unique, "account": account, "types": types, "set": set_all}
verbs[verb](*arguments)
