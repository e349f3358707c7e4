//! `picolet completions` and `picolet man`: the command line about itself.

use super::args::{Arguments, CompletionsArgs, ManArgs};
use super::{Failure, write_out};
use clap::CommandFactory;
use clap_mangen::Man;

const NAME: &str = "picolet";

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: the generator takes a closed pipe for a bug.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), NAME, &mut script);
    write_out(&script);
    Ok(())
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    let mut whole = Arguments::command().disable_help_subcommand(true);
    // Gives every command its whole name.
    whole.build();
    let told = match &args.command {
        None => whole,
        Some(name) => find(&whole, name)?,
    };
    let mut page = Vec::new();
    Man::new(told).render(&mut page).map_err(Failure::failed)?;
    write_out(&page);
    Ok(())
}

fn find(whole: &clap::Command, name: &str) -> Result<clap::Command, Failure> {
    let found = whole.find_subcommand(name).filter(|command| !command.is_hide_set());
    found.cloned().ok_or_else(|| {
        let text = format!("there is no command {name:?}; `{NAME} --help` lists them");
        Failure::Usage(vec![text])
    })
}
