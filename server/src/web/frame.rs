//! What every page inside has: who is logged in, the token of its forms, and how far things were.

use crate::app::App;
use crate::library::Answer;

use super::session::Visitor;

/// What `inside.html` shows and every form sends back.
pub(super) struct Frame {
    /// The user's name.
    pub(super) user: String,
    /// What every form of this session carries.
    pub(super) form_token: String,
    /// Shows the way to the admin page.
    pub(super) admin: bool,
    /// How far things were when the page was made: once they are further it is made anew. `None`: it stays as it is.
    pub(super) stamp: Option<u64>,
}

impl Frame {
    /// Ask for it before anything else of the page, so that nothing falls between.
    pub(super) async fn of(app: &App, visitor: &Visitor) -> Answer<Frame> {
        Ok(Frame {
            user: visitor.asker().user_name.clone(),
            form_token: visitor.form_token(),
            admin: visitor.is_admin(),
            stamp: Some(app.library.stamp(visitor.asker()).await?),
        })
    }

    /// Of a page that is the answer to a form: it cannot be asked for again, and what it says is said once.
    pub(super) fn still(self) -> Frame {
        Frame { stamp: None, ..self }
    }
}
