//! InfluxQL execution: plan, kernels, result series, management statements.
