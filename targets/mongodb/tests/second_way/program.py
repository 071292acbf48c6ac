"""The second way into the server, by its official Python driver: one request and one answer a line, both JSON.

Values carry their BSON type, so that the tests see what is really stored:
null, booleans and texts as themselves, {"int": "7", "bits": 32}, {"double": "0.1"}, {"decimal": "1.50"}, {"ms": -1},
{"bytes": "00ff", "subtype": 0}, {"oid": "…"}, lists, and {"document": [["name", value], …]}.
"""

import json
import re
import sys

import pymongo
from bson import Binary, Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.son import SON

OPTIONS = CodecOptions(document_class=SON, datetime_conversion=DatetimeConversion.DATETIME_MS)


def told(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Int64):
        return {"int": str(int(value)), "bits": 64}
    if isinstance(value, int):
        return {"int": str(value), "bits": 32}
    if isinstance(value, float):
        return {"double": repr(value)}
    if isinstance(value, Decimal128):
        return {"decimal": format(value.to_decimal(), "f")}
    if isinstance(value, Binary):
        return {"bytes": bytes(value).hex(), "subtype": value.subtype}
    if isinstance(value, bytes):
        return {"bytes": value.hex(), "subtype": 0}
    if isinstance(value, DatetimeMS):
        return {"ms": int(value)}
    if isinstance(value, ObjectId):
        return {"oid": str(value)}
    if isinstance(value, list):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {"document": [[name, told(item)] for name, item in value.items()]}
    raise TypeError(f"{type(value)} is not told")


def meant(value):
    if isinstance(value, list):
        return [meant(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "int" in value:
        return Int64(value["int"]) if value.get("bits", 64) == 64 else int(value["int"])
    if "double" in value:
        return float(value["double"])
    if "ms" in value:
        return DatetimeMS(value["ms"])
    if "bytes" in value:
        return Binary(bytes.fromhex(value["bytes"]), value.get("subtype", 0))
    if "oid" in value:
        return ObjectId(value["oid"])
    return SON((name, meant(item)) for name, item in value["document"])


class SecondWay:
    def __init__(self, url):
        self.client = pymongo.MongoClient(url, serverSelectionTimeoutMS=5000)
        self.held = None

    def command(self, database, command):
        self.client[database].command(meant(command))

    def find(self, database, collection):
        found = self.client[database].get_collection(collection, codec_options=OPTIONS).find({})
        return [told(document) for document in found]

    def insert(self, database, collection, documents):
        self.client[database][collection].insert_many([meant(document) for document in documents])

    def paste(self, text):
        """Runs what a person pastes into mongosh: commands, one after the other."""
        for part in re.split(r" and then (?=db\.)", text):
            match = re.fullmatch(r'db\.getSiblingDB\(("(?:[^"\\]|\\.)*")\)\.runCommand\((\{.*\})\)', part)
            assert match, f"no command: {part}"
            self.client[json.loads(match[1])].command(json.loads(match[2], object_pairs_hook=SON))

    def hold(self, database, collection):
        self.held = self.client.start_session()
        self.held.start_transaction()
        self.client[database][collection].update_many({}, {"$set": {"held": True}}, session=self.held)

    def release(self):
        self.held.abort_transaction()
        self.held.end_session()
        self.held = None


def main():
    way = SecondWay(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(way, request["do"])(*request["with"])}
        except Exception as error:  # The test says what it means.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
