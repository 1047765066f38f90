//! The oldest dialect: states as numbers. Migrate and finalize are followed with `progress`; everything else is done when
//! it is answered.

use std::sync::{MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::{Asked, Conversation, Refused, View, answer_with, success, text};
use crate::engine::{Command, State};

/// No run is known.
const NOTHING: i64 = 0;
/// A run is in progress.
const RUNNING: i64 = 1;
/// The last run ended.
const FINISHED: i64 = 2;

pub(super) async fn answer(conversation: &Conversation<'_>) -> Result<Value, Refused> {
    let asked = &conversation.body.asked;
    if !matches!(asked, Asked::Progress) {
        refuse_unfetched(conversation).await?;
    }
    match asked {
        Asked::Progress => {
            let view = conversation.look().await?;
            whole(conversation, &view).await
        }
        Asked::Command(Command::Reset) => {
            let before = conversation.look().await?.run();
            let mut view = conversation.order(Command::Reset, only_progress).await?;
            // A reset is done when it is answered.
            while let Some(live) = conversation.service.supervisor.live() {
                live.ended().await;
                view = conversation.look().await?;
            }
            if let Some(exception) = view.exception() {
                return Err(Refused::bad_request(exception));
            }
            let output = match view.run() == before {
                true => "There is nothing to reset.\n".to_owned(),
                false => {
                    text(&conversation.output(&view, 0).await?)
                        + "What was not finalized is reset.\n"
                }
            };
            Ok(json!({ "success": true, "output": output }))
        }
        Asked::Command(command) => {
            let before = conversation.look().await?.run();
            let view = conversation.order(*command, only_progress).await?;
            if view.run() != before {
                *unfetched(conversation) = view.run();
            }
            whole(conversation, &view).await
        }
        Asked::Stats => {
            let view = conversation.look().await?;
            Ok(json!({ "success": true, "output": described(&view) }))
        }
        Asked::ClearCollectionfieldTables => {
            let state = conversation.look().await?.state();
            if state.is_running() {
                return Err(Refused::bad_request(only_progress(state)));
            }
            Ok(json!({
                "success": true,
                "output": "There are no collectionfield tables to clear.\n",
            }))
        }
    }
}

async fn whole(conversation: &Conversation<'_>, view: &View) -> Result<Value, Refused> {
    let status = match view.run() {
        None => NOTHING,
        Some(_) if view.state().is_running() => RUNNING,
        Some(_) => FINISHED,
    };
    let output = text(&conversation.output(view, 0).await?);
    if status == FINISHED {
        *unfetched(conversation) = None;
    }
    let answer = answer_with(status.into(), output, view.exception());
    Ok(success(answer))
}

/// After a run has ended, its output must be fetched before anything else.
async fn refuse_unfetched(conversation: &Conversation<'_>) -> Result<(), Refused> {
    let waiting = *unfetched(conversation);
    if waiting.is_some() && !conversation.look().await?.state().is_running() {
        return Err(Refused::bad_request(
            "Last migration output not read yet. Please call 'progress' first.",
        ));
    }
    Ok(())
}

fn unfetched<'c>(conversation: &'c Conversation<'_>) -> MutexGuard<'c, Option<i64>> {
    conversation
        .service
        .readers
        .unfetched
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

fn described(view: &View) -> String {
    let overview = &view.overview;
    let mut text = format!(
        "- State: {}\n- Finalized up to migration index: {}\n- Registered migrations up to index: {}\n",
        overview.state.as_str(),
        overview.current_index,
        overview.target_index
    );
    match (view.exception(), overview.rows) {
        (Some(exception), _) => text.push_str(&format!("- Failed on: {exception}\n")),
        (None, Some(rows)) => text.push_str(&format!(
            "- Migrated models: {} of {}\n",
            rows.done, rows.expected
        )),
        (None, None) => {}
    }
    text
}

fn only_progress(_: State) -> &'static str {
    "Migration is running, only 'progress' command is allowed"
}
