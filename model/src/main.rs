//! x
use stateright::{Checker, Model};
use tracewal_model::{casts, rules::Rules};
fn main() {
    for cast in casts::all() {
        let began = std::time::Instant::now();
        let checker = cast.with(Rules::default()).checker().threads(2).finish_when(stateright::HasDiscoveries::AnyFailures).spawn_bfs().join();
        println!("{}: {} states, {} unique, depth {}, {:?}", cast.name, checker.state_count(), checker.unique_state_count(), checker.max_depth(), began.elapsed());
        for (name, path) in checker.discoveries() {
            if checker.discovery_classification(name).to_string() == "counterexample" {
                println!("  FAILS {name}");
                for a in path.clone().into_actions() { println!("    {a:?}"); }
                println!("{:?}", path.last_state());
            }
        }
    }
}
