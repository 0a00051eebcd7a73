//! Messages to questions, answers to messages, errors to statuses.

mod parse;
mod profile;
mod quote;

use std::{collections::BTreeMap, sync::Arc};

use platform::{
    database::MaybeTransient as _,
    page::{PageTokenInvalid, PageTokens, page_size},
    status::{self, ApiError, BadRequest, Violation, status_of},
};
use proto::{
    catalog::v1::{self as pb, catalog_service_server::CatalogService},
    r#type::v1::PageResponse,
};
use rule_engine::price::PriceRefused;
use tonic::{Code, Request, Response, Status};
use tracing::instrument;

use crate::{
    app::{ApplyError, CatalogError, Catalogs, Entry},
    domain::{difference::Action, document::Mistake},
};

/// The longest document, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

/// The most rows that a page may leap over.
const MAX_SKIP: i32 = 100_000;

/// Answers `CatalogService`.
#[derive(Debug)]
pub struct CatalogGrpc {
    catalogs: Arc<Catalogs>,
}

impl CatalogGrpc {
    /// Answers from `catalogs`.
    pub fn new(catalogs: Arc<Catalogs>) -> Self {
        Self { catalogs }
    }
}

#[tonic::async_trait]
impl CatalogService for CatalogGrpc {
    #[instrument(skip_all, err(level = "debug"))]
    async fn apply_catalog(
        &self,
        request: Request<pb::ApplyCatalogRequest>,
    ) -> Result<Response<pb::ApplyCatalogResponse>, Status> {
        let pb::ApplyCatalogRequest { document, dry_run } = request.into_inner();
        let mut bad = BadRequest::default();
        if document.is_empty() {
            bad.note("document", "is required");
        } else if document.len() > MAX_DOCUMENT {
            bad.note("document", "must have at most 1 MiB");
        }
        bad.finish()?;
        let applied = self.catalogs.apply(&document, dry_run).await?;
        let changes = applied.changes.into_iter().map(|change| pb::CatalogChange {
            action: match change.action {
                Action::Added => pb::catalog_change::Action::Added,
                Action::Changed => pb::catalog_change::Action::Changed,
                Action::Removed => pb::catalog_change::Action::Removed,
            }
            .into(),
            subject: change.subject,
            detail: change.detail,
        });
        Ok(Response::new(pb::ApplyCatalogResponse {
            catalog_version: applied.version,
            changes: changes.collect(),
            impacts: applied.impacts,
            profiles: applied.profiles.iter().map(profile::proposed).collect(),
        }))
    }

    #[instrument(skip_all, fields(product.id = request.get_ref().product_id), err(level = "debug"))]
    async fn get_product(
        &self,
        request: Request<pb::GetProductRequest>,
    ) -> Result<Response<pb::GetProductResponse>, Status> {
        let id = parse::product_id(request.get_ref())?;
        let snapshot = self.catalogs.snapshot();
        let product = profile::product(snapshot.product(&id)?);
        Ok(Response::new(pb::GetProductResponse { product: Some(product) }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn list_products(
        &self,
        request: Request<pb::ListProductsRequest>,
    ) -> Result<Response<pb::ListProductsResponse>, Status> {
        let mut query = request.into_inner();
        let page = query.page.take().unwrap_or_default();
        let mut bad = BadRequest::default();
        let size = bad.field("page.page_size", page_size(page.page_size));
        if !(0..=MAX_SKIP).contains(&page.skip) {
            bad.note("page.skip", "must be 0 to 100,000");
        }
        bad.finish()?;
        let tokens = PageTokens::of("ListProducts", &query);
        let after = tokens.read(&page.page_token)?.map(|id| id.parse());
        let after = after.transpose().map_err(|_| PageTokenInvalid)?;

        let snapshot = self.catalogs.snapshot();
        let skip = usize::try_from(page.skip).unwrap_or_default();
        let size = size.map_or(0, |size| size as usize);
        let mut rows = snapshot.products(&query.catalog, after.as_ref()).skip(skip);
        let entries: Vec<&Entry> = rows.by_ref().take(size).collect();
        let more = rows.next().is_some();
        let last = entries.last().filter(|_| more);
        let next_page_token = last.map(|entry| tokens.issue(entry.product().id.as_str()));
        let total = || snapshot.products(&query.catalog, None).count();
        let page = PageResponse {
            next_page_token: next_page_token.unwrap_or_default(),
            total_size: page.with_total.then(|| i64::try_from(total()).unwrap_or(i64::MAX)),
        };
        Ok(Response::new(pb::ListProductsResponse {
            products: entries.into_iter().map(profile::product).collect(),
            page: Some(page),
            catalog_version: snapshot.version,
        }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn list_account_profiles(
        &self,
        _: Request<pb::ListAccountProfilesRequest>,
    ) -> Result<Response<pb::ListAccountProfilesResponse>, Status> {
        let snapshot = self.catalogs.snapshot();
        let profiles = snapshot.account_profiles();
        Ok(Response::new(pb::ListAccountProfilesResponse {
            profiles: profiles.map(|(name, it)| profile::account_profile(name, it)).collect(),
            catalog_version: snapshot.version,
        }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn calculate_prices(
        &self,
        request: Request<pb::CalculatePricesRequest>,
    ) -> Result<Response<pb::CalculatePricesResponse>, Status> {
        let asked = parse::calculation(request.into_inner())?;
        let snapshot = self.catalogs.snapshot();
        let no_labels = BTreeMap::new();
        let prices = self.catalogs.calculate(&snapshot, &asked, &no_labels)?;
        let prices = prices.iter().map(|(duration, quote)| pb::DurationPrice {
            duration: Some(profile::duration(*duration)),
            quote: Some(quote::full(quote)),
        });
        Ok(Response::new(pb::CalculatePricesResponse { prices: prices.collect() }))
    }

    #[instrument(skip_all, err(level = "debug"))]
    async fn quote_renewals(
        &self,
        request: Request<pb::QuoteRenewalsRequest>,
    ) -> Result<Response<pb::QuoteRenewalsResponse>, Status> {
        let asked = parse::quotes(request.into_inner())?;
        let parse::QuoteCommand { items, buyers, as_of, forecast, view } = asked;
        let snapshot = self.catalogs.snapshot();
        let quotes = self.catalogs.quote(&snapshot, &items, &buyers, as_of, forecast)?;
        let results = items.iter().zip(&quotes).map(|(item, quote)| pb::QuoteResult {
            item_id: item.id.clone(),
            result: Some(quote::result(quote.as_ref(), view)),
        });
        Ok(Response::new(pb::QuoteRenewalsResponse {
            results: results.collect(),
            catalog_version: snapshot.version,
        }))
    }
}

/// A refusal to price, as the contract names it.
struct NoPrice<'a>(&'a PriceRefused);

impl NoPrice<'_> {
    fn reason(&self) -> &'static str {
        self.0.reason().map_or("PRODUCT_NOT_FOUND", rule_engine::reason::Reason::code)
    }
}

impl ApiError for CatalogError {
    fn code(&self) -> Code {
        match self {
            Self::ProductNotFound(_) | Self::Price(PriceRefused::UnknownProduct(_)) => {
                Code::NotFound
            }
            Self::ClockSkew { .. } | Self::Price(_) => Code::FailedPrecondition,
            Self::Store(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::ProductNotFound(_) => "PRODUCT_NOT_FOUND",
            Self::ClockSkew { .. } => "CLOCK_SKEW",
            Self::Price(refused) => NoPrice(refused).reason(),
            Self::Store(error) => error.trouble().reason(),
        }
    }

    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Price(refused) => refused.reason().map(rule_engine::reason::Reason::rule),
            _ => None,
        }
    }
}

impl From<CatalogError> for Status {
    fn from(error: CatalogError) -> Self {
        status_of(&error)
    }
}

impl ApiError for ApplyError {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::Immutable(_) => Code::FailedPrecondition,
            Self::Busy => Code::Aborted,
            Self::Store(error) => error.trouble().code(),
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "CATALOG_INVALID",
            Self::Immutable(_) => "PRICE_VERSION_IMMUTABLE",
            Self::Busy => status::BUSY,
            Self::Store(error) => error.trouble().reason(),
        }
    }

    fn rule(&self) -> Option<&'static str> {
        matches!(self, Self::Immutable(_)).then_some("M-8")
    }

    fn violations(&self) -> Vec<Violation> {
        let Self::Immutable(frozen) = self else { return Vec::new() };
        let violation = |frozen: &crate::domain::history::Frozen| Violation {
            reason: self.reason().to_owned(),
            subject: frozen.line.map_or_else(
                || format!("product {}", frozen.product),
                |line| format!("line {line}"),
            ),
            description: frozen.problem.clone(),
        };
        frozen.iter().map(violation).collect()
    }
}

impl From<ApplyError> for Status {
    fn from(error: ApplyError) -> Self {
        let ApplyError::Invalid(mistakes) = &error else { return status_of(&error) };
        let mut bad = BadRequest::default();
        bad.because(error.reason());
        for Mistake { line, problem } in mistakes {
            bad.note(format!("line {line}"), problem.as_str());
        }
        bad.into_status()
    }
}

#[cfg(test)]
mod tests;
