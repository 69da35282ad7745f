//! Why a message is refused before anything is asked of the database. The rest is refused by [`intake`](crate::ingest::intake).

use crate::ingest::refusal::MessageRefusal;
use crate::refusal::{Proof, Refusal, RefusalKind};
use std::borrow::Cow;

/// What is wrong with a message, or with its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntryRefusal {
    /// Its type is not known.
    UnknownType,
    /// What every other protocol refuses as well.
    Message(MessageRefusal),
    /// It names another tenant than its topic.
    OtherTenant,
    /// It names another device than its topic.
    OtherDevice,
    /// It has no token.
    TokenMissing,
}

impl From<MessageRefusal> for EntryRefusal {
    fn from(why: MessageRefusal) -> Self {
        EntryRefusal::Message(why)
    }
}

impl Refusal for EntryRefusal {
    fn kind(&self) -> RefusalKind {
        match self {
            EntryRefusal::Message(why) => why.kind(),
            EntryRefusal::TokenMissing => RefusalKind::NotProved(Proof::ProvisionToken),
            EntryRefusal::UnknownType | EntryRefusal::OtherTenant | EntryRefusal::OtherDevice => {
                RefusalKind::Malformed
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            EntryRefusal::Message(why) => why.code(),
            EntryRefusal::UnknownType => "INVALID_MSG_TYPE",
            EntryRefusal::OtherTenant => "TENANT_MISMATCH_TOPIC_VS_PAYLOAD",
            EntryRefusal::OtherDevice => "DEVICE_MISMATCH_TOPIC_VS_PAYLOAD",
            EntryRefusal::TokenMissing => "TOKEN_MISSING",
        }
    }

    fn detail(&self) -> Cow<'static, str> {
        match self {
            EntryRefusal::Message(why) => why.detail(),
            EntryRefusal::UnknownType => {
                "messages of this type are not taken; readings go to tenant/{tenant}/device/{device}/telemetry".into()
            }
            EntryRefusal::OtherTenant => "tenant_id is another than that of the topic".into(),
            EntryRefusal::OtherDevice => "device_id is another than that of the topic".into(),
            EntryRefusal::TokenMissing => "the message has no provision_token".into(),
        }
    }
}
