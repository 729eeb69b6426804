//! Column codecs: values to bits and back.
