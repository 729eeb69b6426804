//! InfluxDB line protocol: bytes to points with line numbers, points to bytes.
