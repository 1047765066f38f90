//! Several hosts behind one address: nginx sends each request to the next of them.

mod balancer;
mod postgres;
