//! The newest dialect: states as words; output that was not read yet.

use serde_json::Value;

use super::readers::Cursor;
use super::{Asked, Conversation, Refused, View, answer_with, only_stats, success, unknown};

pub(super) async fn answer(conversation: &Conversation<'_>) -> Result<Value, Refused> {
    let readers = &conversation.service.readers;
    match &conversation.body.asked {
        Asked::Command(command) => {
            let view = conversation.order(*command, only_stats).await?;
            let output = unread(conversation, &view, &readers.commands).await?;
            Ok(whole(&view, output))
        }
        Asked::Stats => {
            let view = conversation.look().await?;
            let output = unread(conversation, &view, &readers.stats).await?;
            Ok(view.stats(view.state().as_str(), output))
        }
        Asked::Progress => {
            let view = conversation.look().await?;
            let run = view.run().unwrap_or_default();
            let lines = conversation
                .output(&view, readers.progress.start(run))
                .await?;
            let output = view.text(&readers.progress.consume(run, &lines));
            Ok(whole(&view, output))
        }
        asked @ Asked::ClearCollectionfieldTables => Err(unknown(asked.as_str())),
    }
}

async fn unread(
    conversation: &Conversation<'_>,
    view: &View,
    cursor: &Cursor,
) -> Result<String, Refused> {
    let run = view.run().unwrap_or_default();
    let lines = conversation.output(view, cursor.start(run)).await?;
    Ok(view.text(&cursor.unread(run, &lines)))
}

fn whole(view: &View, output: String) -> Value {
    success(answer_with(
        view.state().as_str().into(),
        output,
        view.exception(),
    ))
}
