//! The geo database that the demo ships.

use std::path::Path;

use harness::geo;

#[test]
fn the_shipped_example_database_is_what_the_writer_makes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/demo/places.mmdb");
    let written = geo::database(geo::PLACES);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &written).unwrap();
    }
    let shipped = std::fs::read(&path).unwrap();
    assert!(shipped == written, "run again with UPDATE_EXPECT=1");
}
