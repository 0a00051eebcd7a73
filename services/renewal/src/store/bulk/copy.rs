//! The same for an instance in memory: what a forecast makes of its copies.

use rule_engine::{
    calendar::DayOfMonth,
    instance::{Billing, PendingChange},
    lifecycle::State,
    policy::PolicyState,
    term::Lease,
};

use super::{
    super::{StoreError, instances::Loaded, values},
    SettledInstance,
};

impl SettledInstance {
    /// What [`extend`](super::extend) makes of a row, made of `one`.
    pub fn extend(&self, one: &mut Loaded) -> Result<(), StoreError> {
        let Loaded { instance, version, recorded } = one;
        *version += 1;
        instance.open_order = None;
        let end = values::instant(self.end_time)?;
        instance.billing = Billing::Prepaid(Lease { end, anchor: self.anchor()? });
        instance.first_start.get_or_insert(values::instant(self.start_time)?);
        if let Some(configuration) = &self.configuration {
            instance.configuration = values::from_json(configuration)?;
        }
        let pending = self.pending()?;
        if self.nothing_pending || pending.is_some() {
            instance.pending = pending;
        }
        if self.converted {
            instance.policy = PolicyState::Manual;
        } else if self.automatic {
            instance.policy = instance.policy.after_automatic_renewal();
        }
        if self.automatic {
            recorded.decided.clear();
        }
        recorded.state = State::Active;
        let renews_itself = instance.policy.auto().is_some();
        let due = if renews_itself { self.due_if_automatic } else { self.due_otherwise };
        recorded.due_time = Some(values::instant(due)?);
        Ok(())
    }

    fn anchor(&self) -> Result<DayOfMonth, StoreError> {
        let day = u32::try_from(self.anchor).ok().and_then(|day| DayOfMonth::try_from(day).ok());
        day.ok_or_else(|| StoreError::Unreadable(format!("the anchor of {}", self.id)))
    }

    fn pending(&self) -> Result<Option<PendingChange>, StoreError> {
        let (Some(configuration), Some(from)) = (&self.pending_configuration, self.pending_from)
        else {
            return Ok(None);
        };
        let configuration = values::from_json(configuration)?;
        Ok(Some(PendingChange { configuration, effective: values::instant(from)? }))
    }
}
