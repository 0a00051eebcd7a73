//! Messages of the contract as JSON for programs, and from YAML or JSON files: one code path for
//! all of them, through the contract's own descriptors.

mod read;

use std::sync::LazyLock;

use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

pub use self::read::{Mistake, read_rows};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(proto::DESCRIPTORS).expect("the build made these descriptors")
});

/// What the contract says of the message type `M`.
pub fn descriptor<M: Name>() -> MessageDescriptor {
    POOL.get_message_by_name(&M::full_name()).expect("every message is in the descriptors")
}

/// `message` as JSON by the protobuf mapping, under the contract's own field names. 64-bit integers
/// are strings; zeros and empty lists are there, so that programs need not know the defaults.
pub fn to_json<M: Message + Name>(message: &M) -> Value {
    let mut dynamic = DynamicMessage::new(descriptor::<M>());
    dynamic.transcode_from(message).expect("a message is of its own type");
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap_or_else(|error| Value::String(error.to_string()))
}

#[cfg(test)]
mod tests;
