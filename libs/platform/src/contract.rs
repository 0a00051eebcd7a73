//! The calls of a contract, as its descriptors tell them.

use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};

/// Every call in `descriptors`, after the path under which it is made.
pub fn calls(descriptors: &[u8]) -> Result<Vec<(String, MethodDescriptor)>, DescriptorError> {
    let pool = DescriptorPool::decode(descriptors)?;
    let services: Vec<_> = pool.services().collect();
    let calls = services.iter().flat_map(|service| {
        let path = |name: &str| format!("/{}/{name}", service.full_name());
        service.methods().map(move |method| (path(method.name()), method))
    });
    Ok(calls.collect())
}
