"""Loads a Parquet file with dlt: the way, the file, the table, its key and a folder for dlt's state; the database is in DATABASE."""

import os
import sys

import dlt
import pyarrow.parquet

way, path, table, key, folder = sys.argv[1:]
url = os.environ["DATABASE"]

if url.startswith("postgres"):
    # The two formats that go by COPY are csv and parquet. Parquet (by ADBC) took longer here, and some decimals arrived as others.
    destination, dataset, file_format = dlt.destinations.postgres(url), "public", "csv"
else:
    # There is no faster one for MySQL without a driver that is in no registry of packages.
    engine = url.replace("mysql://", "mysql+pymysql://")
    destination, dataset, file_format = dlt.destinations.sqlalchemy(engine, create_primary_keys=True), url.rsplit("/", 1)[1], "parquet"

disposition = {
    "replace": "replace",
    "delete-insert": {"disposition": "merge", "strategy": "delete-insert"},
    "upsert": {"disposition": "merge", "strategy": "upsert"},
    "cdc": {"disposition": "merge", "strategy": "cdc", "skip_unchanged_rows": True},
}[way]


def batches():
    with pyarrow.parquet.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=65_536)


pipeline = dlt.pipeline("peer", pipelines_dir=folder, destination=destination, dataset_name=dataset)
pipeline.run(
    dlt.resource(batches, name=table, write_disposition=disposition, primary_key=key.split(",")),
    loader_file_format=file_format,
)
