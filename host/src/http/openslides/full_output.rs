//! The middle dialect: states as words, but for `migration_preparing`; all output in every answer.

use serde_json::Value;

use super::{Asked, Conversation, Refused, View, answer_with, only_stats, success, text, unknown};
use crate::engine::State;

pub(super) async fn answer(conversation: &Conversation<'_>) -> Result<Value, Refused> {
    match &conversation.body.asked {
        Asked::Command(command) => {
            let view = conversation.order(*command, only_stats).await?;
            whole(conversation, &view).await
        }
        Asked::Progress => {
            let view = conversation.look().await?;
            whole(conversation, &view).await
        }
        Asked::Stats => {
            let view = conversation.look().await?;
            let output = text(&conversation.output(&view, 0).await?);
            Ok(view.stats(status(&view), output))
        }
        asked @ Asked::ClearCollectionfieldTables => Err(unknown(asked.as_str())),
    }
}

async fn whole(conversation: &Conversation<'_>, view: &View) -> Result<Value, Refused> {
    let output = text(&conversation.output(view, 0).await?);
    let answer = answer_with(status(view).into(), output, view.exception());
    Ok(success(answer))
}

fn status(view: &View) -> &'static str {
    match view.state() {
        State::MigrationPreparing => State::MigrationRunning.as_str(),
        state => state.as_str(),
    }
}
