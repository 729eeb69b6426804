"""The Python client of InfluxDB 1.x against a running Weir: python_influxdb.py URL DIALECT TOKEN"""
import sys
import urllib.parse

from influxdb import InfluxDBClient
from influxdb.exceptions import InfluxDBClientError

url, dialect, token = sys.argv[1], sys.argv[2], (sys.argv + [""])[3]
at = urllib.parse.urlsplit(url)
for gzip in (False, True):
    db = f"pyclient_{gzip}".lower()
    client = InfluxDBClient(at.hostname, at.port, "any", token or "root", db, gzip=gzip)
    assert client.ping().startswith("1.8"), client.ping()
    if dialect == "oss":
        client.create_database(db)
        assert {"name": db} in client.get_list_database()
    base = 1700000000
    points = [
        {"measurement": "m", "tags": {"host": f"h{i % 3}"}, "time": base + i,
         "fields": {"f": i / 4, "i": i, "b": i % 2 == 0, "s": f"text {i}"}}
        for i in range(300)
    ]
    assert client.write_points(points, time_precision="s", batch_size=100)
    for precision, unit in (("ms", 1000), ("s", 1), ("u", 10**6), ("n", 10**9)):
        if dialect == "dedicated" and precision == "u":
            try:
                client.write_points([{"measurement": "p", "fields": {"v": 1.0}, "time": 5}], time_precision=precision)
            except InfluxDBClientError as e:
                assert e.code == 400 and "unknown variant `u`" in str(e), e
                continue
            raise AssertionError("precision u must be refused")
        assert client.write_points([{"measurement": f"p_{precision}", "fields": {"v": 1.0}, "time": base * unit}], time_precision=precision)
        rows = list(client.query(f"SELECT v FROM p_{precision}", epoch="s").get_points())
        assert rows == [{"time": base, "v": 1.0}], rows
    rows = list(client.query("SELECT f, i, b, s, host FROM m WHERE host = 'h1' ORDER BY time DESC LIMIT 2", epoch="s").get_points())
    assert rows[0] == {"time": base + 298, "f": 74.5, "i": 298, "b": True, "s": "text 298", "host": "h1"}, rows
    result = client.query("SELECT mean(f), count(i) FROM m GROUP BY host")
    assert {k[1]["host"]: next(v)["count"] for k, v in result.items()} == {"h0": 100, "h1": 100, "h2": 100}
    bound = client.query("SELECT i FROM m WHERE i > $least", bind_params={"least": 297})
    assert len(list(bound.get_points())) == 2
    assert sorted(m["name"] for m in client.get_list_measurements())[0] == "m"
    try:
        client.query("SELECT FROM")
    except InfluxDBClientError as e:
        assert e.code == 400 and "error parsing query" in str(e), e
    else:
        raise AssertionError("a parse error must be one")
    try:
        client.write([f"m i=1.5 {base}000000000"], {"db": db}, protocol="line")
    except InfluxDBClientError as e:
        assert e.code == 400 and "field type conflict" in str(e), e
    else:
        raise AssertionError("a type conflict must be one")
    if dialect == "oss":
        # The client cannot read chunks in MessagePack, which it asks for by default, from any server.
        json_client = InfluxDBClient(at.hostname, at.port, "any", token or "root", db, headers={"Accept": "application/json"})
        chunks = json_client.query("SELECT i FROM m", chunked=True, chunk_size=100)
        assert sum(1 for chunk in chunks for _ in chunk.get_points()) == 300
        client.drop_database(db)
        assert {"name": db} not in client.get_list_database()
print("Python influxdb: all as expected")
