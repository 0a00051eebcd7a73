//! `InstanceService`: messages to commands, results to messages.

mod parse;
mod tell;

use platform::{identity::Caller, page::PageTokens, status::Replayed};
use proto::{
    renewal::v1::{self as pb, instance_service_server::InstanceService},
    r#type::v1 as types,
};
use tonic::{Request, Response, Status};
use tracing::instrument;

use crate::app::{
    Orders,
    correction::Corrections,
    error::CallError,
    instances::{Instances, Listed},
    policies::Policies,
    registration::Registrations,
    releases::Releases,
    view::Shown,
};
use crate::{store::values, wire};

/// Serves instances.
#[derive(Debug)]
pub struct InstanceGrpc {
    registrations: Registrations,
    instances: Instances,
    policies: Policies,
    corrections: Corrections,
    releases: Releases,
    orders: Orders,
}

impl InstanceGrpc {
    /// Serves instances with these operations.
    #[must_use]
    pub const fn new(
        registrations: Registrations,
        instances: Instances,
        policies: Policies,
        corrections: Corrections,
        releases: Releases,
        orders: Orders,
    ) -> Self {
        Self { registrations, instances, policies, corrections, releases, orders }
    }
}

#[tonic::async_trait]
impl InstanceService for InstanceGrpc {
    #[instrument(skip_all, fields(rows = request.get_ref().registrations.len()))]
    async fn register_instances(
        &self,
        request: Request<pb::RegisterInstancesRequest>,
    ) -> Result<Response<pb::RegisterInstancesResponse>, Status> {
        let rows = parse::registrations(request.into_inner().registrations)?;
        let ids: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
        let results = self.registrations.register(rows).await?;
        let results = ids.into_iter().zip(results).map(tell::registration_result).collect();
        Ok(Response::new(pb::RegisterInstancesResponse { results }))
    }

    #[instrument(skip_all, fields(instance.id = request.get_ref().instance_id))]
    async fn get_instance(
        &self,
        request: Request<pb::GetInstanceRequest>,
    ) -> Result<Response<pb::GetInstanceResponse>, Status> {
        let caller = Caller::of(&request);
        let request = request.into_inner();
        let (account, id) = parse::named(&request.account_id, &request.instance_id)?;
        let mut detail = self.instances.get(&account, &id).await?;
        let seen = |one: &Shown| caller.may_see(&account, &one.instance.product);
        if !seen(&detail.instance) {
            return Err(CallError::InstanceNotFound(id).into());
        }
        detail.bound.retain(seen);
        Ok(Response::new(tell::detail(detail)))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn list_instances(
        &self,
        request: Request<pb::ListInstancesRequest>,
    ) -> Result<Response<pb::ListInstancesResponse>, Status> {
        let request = request.into_inner();
        let query = pb::ListInstancesRequest {
            account_id: request.account_id.clone(),
            filter: Some(request.filter.clone().unwrap_or_default()),
            page: None,
        };
        let parse::List { account, search, part, with_total } = parse::list(request, &query)?;
        let Listed { instances, next, total } =
            self.instances.list(&account, search, part, with_total).await?;
        let tokens = PageTokens::of(parse::LIST, &query);
        let page = types::PageResponse {
            next_page_token: next
                .map(|next| tokens.issue(&parse::position_text(&next)))
                .unwrap_or_default(),
            total_size: total.map(|total| i64::try_from(total).unwrap_or(i64::MAX)),
        };
        let instances = instances.into_iter().map(tell::instance).collect();
        Ok(Response::new(pb::ListInstancesResponse { instances, page: Some(page) }))
    }

    #[instrument(skip_all, fields(instance.id = request.get_ref().instance_id))]
    async fn list_bound_instances(
        &self,
        request: Request<pb::ListBoundInstancesRequest>,
    ) -> Result<Response<pb::ListBoundInstancesResponse>, Status> {
        let request = request.into_inner();
        let (account, id, duration) = parse::bound(&request)?;
        let bound = self.orders.bound(&account, &id, duration).await?;
        let bound = bound.into_iter().map(tell::bound).collect();
        Ok(Response::new(pb::ListBoundInstancesResponse { bound }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn check_renewals(
        &self,
        request: Request<pb::CheckRenewalsRequest>,
    ) -> Result<Response<pb::CheckRenewalsResponse>, Status> {
        let (account, ids, duration) = parse::check(&request.into_inner())?;
        let checks = self.instances.check(&account, &ids, duration).await?;
        let told = checks.refusals.into_iter().map(|(id, refusals)| pb::RenewalCheck {
            instance_id: id.into(),
            refusals: wire::refusal_messages(refusals),
        });
        Ok(Response::new(pb::CheckRenewalsResponse {
            checks: told.collect(),
            durations: checks.durations.into_iter().map(wire::duration_message).collect(),
        }))
    }

    #[instrument(skip_all, fields(account.id = request.get_ref().account_id))]
    async fn set_renewal_policies(
        &self,
        request: Request<pb::SetRenewalPoliciesRequest>,
    ) -> Result<Response<pb::SetRenewalPoliciesResponse>, Status> {
        let (account, ids, wish) = parse::policies(&request.into_inner())?;
        let results = self.policies.set(&account, &ids, wish).await?;
        let results = results.into_iter().map(tell::policy_result).collect();
        Ok(Response::new(pb::SetRenewalPoliciesResponse { results }))
    }

    #[instrument(skip_all, fields(instance.id = request.get_ref().instance_id))]
    async fn correct_expiry(
        &self,
        request: Request<pb::CorrectExpiryRequest>,
    ) -> Result<Response<pb::CorrectExpiryResponse>, Status> {
        let wanted = parse::correction(request.into_inner())?;
        let shown: Replayed<_> = self.corrections.correct(&wanted).await?;
        let answer =
            shown.map(|shown| pb::CorrectExpiryResponse { instance: Some(tell::instance(shown)) });
        Ok(answer.into_response())
    }

    #[instrument(skip_all)]
    async fn list_moved_releases(
        &self,
        request: Request<pb::ListMovedReleasesRequest>,
    ) -> Result<Response<pb::ListMovedReleasesResponse>, Status> {
        let request = request.into_inner();
        let query = pb::ListMovedReleasesRequest {
            document: request.document.clone(),
            ..pb::ListMovedReleasesRequest::default()
        };
        let tokens = PageTokens::of("ListMovedReleases", &query);
        let (after, limit) = parse::moved(&request, &tokens)?;
        let page = self.releases.moved(&request.document, &after, limit).await?;
        let next = page.next.as_ref().map(|place| tokens.issue(&values::to_json(place)));
        Ok(Response::new(pb::ListMovedReleasesResponse {
            releases: page.moved.iter().map(tell::moved).collect(),
            more: next.is_some(),
            next_cursor: next.unwrap_or_default(),
        }))
    }
}

#[cfg(test)]
mod tests;
