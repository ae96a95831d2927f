//! What a person chose on a save's page: restore, resolve, keep both, delete; a mark on a version.

use std::sync::Arc;

use axum::extract::State;
use retrosync_protocol::{ChoiceRequest, Code, OperationId, SaveId, VersionId};
use serde::Deserialize;

use super::page::{PageReply, Trouble, see};
use super::session::{Form, escaped};
use crate::api::request::{malformed, to_the_end};
use crate::app::App;
use crate::catalog::Mark;
use crate::library::Answer;

#[derive(Deserialize)]
pub(super) struct Choice {
    save: SaveId,
    version: VersionId,
    heads: String,
    operation: OperationId,
    /// Keep both: `yes`.
    #[serde(default)]
    both: String,
}

impl Choice {
    fn request(&self) -> Answer<ChoiceRequest> {
        let heads = self.heads.split_whitespace().map(str::parse).collect::<Result<_, _>>();
        let heads = heads.map_err(|error| malformed(format!("the form cannot be read: {error}")))?;
        Ok(ChoiceRequest { save: self.save.clone(), version: Some(self.version), heads, note: None })
    }
}

/// `POST /save/restore`
pub(super) async fn restore(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    choose(app, form, Verb::Restore).await
}

/// `POST /save/resolve`
pub(super) async fn resolve(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    let verb = if form.fields.both == "yes" { Verb::Both } else { Verb::Resolve };
    choose(app, form, verb).await
}

/// `POST /save/retire`
pub(super) async fn retire(State(app): State<Arc<App>>, form: Form<Choice>) -> PageReply {
    choose(app, form, Verb::Retire).await
}

/// What a person chose to do.
#[derive(Clone, Copy)]
enum Verb {
    Restore,
    Resolve,
    Both,
    Retire,
}

async fn choose(app: Arc<App>, form: Form<Choice>, verb: Verb) -> PageReply {
    let mut request = form.fields.request()?;
    let save = request.save.clone();
    let others: Vec<VersionId> =
        request.heads.iter().copied().filter(|head| Some(*head) != request.version).collect();
    let (done, undo) = match verb {
        Verb::Restore => ("restored", others.first().copied()),
        Verb::Resolve => ("resolved", only(&others)),
        Verb::Both => ("both", only(&others)),
        Verb::Retire => ("deleted", only(&request.heads)),
    };
    let (asker, operation) = (form.visitor.asker().clone(), Some(form.fields.operation));
    let now_unix_s = app.now_unix_s();
    let change = async move {
        match verb {
            Verb::Restore => app.library.restore(&asker, &request, operation, now_unix_s).await,
            Verb::Resolve => app.library.resolve(&asker, &request, operation, now_unix_s).await,
            Verb::Both => app.library.keep_both(&asker, &request, operation, now_unix_s).await,
            Verb::Retire => {
                request.version = None;
                app.library.retire(&asker, &request, operation, now_unix_s).await
            }
        }
    };
    match to_the_end(change).await {
        Ok(_) => see(&done_at(&save, done, undo)),
        Err(refusal) if refusal.code() == Code::HeadsMoved => see(&done_at(&save, "moved", None)),
        Err(refusal) => Err(Trouble::from(refusal)),
    }
}

/// The version to go back to by one press: none where several would do.
pub(super) fn only(heads: &[VersionId]) -> Option<VersionId> {
    match heads {
        [only] => Some(*only),
        _ => None,
    }
}

/// The save's page, which says what was done and how to take it back.
pub(super) fn done_at(save: &SaveId, done: &str, undo: Option<VersionId>) -> String {
    let undo = undo.map(|undo| format!("&undo={undo}")).unwrap_or_default();
    format!("/save?id={}{undo}&done={done}", escaped(save.as_str()))
}

#[derive(Deserialize)]
pub(super) struct Words {
    save: SaveId,
    version: VersionId,
    #[serde(default)]
    pinned: String,
    #[serde(default)]
    label: String,
}

/// `POST /save/mark`
pub(super) async fn mark(State(app): State<Arc<App>>, form: Form<Words>) -> PageReply {
    let Form { visitor, fields: Words { save, version, pinned, label } } = form;
    let mark = Mark { version, pinned: pinned == "yes", label };
    app.library.mark(visitor.asker(), &save, mark, app.now_unix_s()).await?;
    see(&done_at(&save, "marked", None))
}
