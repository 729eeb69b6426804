//! Input plugins (outputs, processors and aggregators follow the same shape).
