//! The newest dialect: states as words; output that was not read yet.

use serde_json::Value;

use super::readers::Cursor;
use super::{Asked, Conversation, Refused, View, answer_with, only_stats, success, text, unknown};
use crate::journal::OutputLine;

pub(super) async fn answer(conversation: &Conversation<'_>) -> Result<Value, Refused> {
    let readers = &conversation.service.readers;
    match &conversation.body.asked {
        Asked::Command(command) => {
            let view = conversation.order(*command, only_stats).await?;
            let lines = unread(conversation, &view, &readers.commands).await?;
            // Whoever gave the command follows it with `progress`, and wants each line once.
            readers
                .progress
                .skip(view.run().unwrap_or_default(), &lines);
            Ok(whole(&view, text(&lines)))
        }
        Asked::Stats => {
            let view = conversation.look().await?;
            let lines = unread(conversation, &view, &readers.stats).await?;
            Ok(view.stats(view.state().as_str(), text(&lines)))
        }
        Asked::Progress => {
            let view = conversation.look().await?;
            let run = view.run().unwrap_or_default();
            let lines = conversation
                .output(&view, readers.progress.start(run))
                .await?;
            let output = text(&readers.progress.consume(run, &lines));
            Ok(whole(&view, output))
        }
        asked @ Asked::ClearCollectionfieldTables => Err(unknown(asked.as_str())),
    }
}

async fn unread(
    conversation: &Conversation<'_>,
    view: &View,
    cursor: &Cursor,
) -> Result<Vec<OutputLine>, Refused> {
    let run = view.run().unwrap_or_default();
    let lines = conversation.output(view, cursor.start(run)).await?;
    Ok(cursor.unread(run, &lines))
}

fn whole(view: &View, output: String) -> Value {
    success(answer_with(
        view.state().as_str().into(),
        output,
        view.exception(),
    ))
}
