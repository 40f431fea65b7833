//! Who gives way to whom, who waits, and who loses nothing.

use super::*;

fn peer(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn stays(place: &mut Place) -> bool {
    place.check(&mut Context::from_waker(std::task::Waker::noop())).is_ok()
}

/// A port whose places these peers have, all at work.
async fn at_work(peers: &[u8]) -> (Connections, Vec<Place>) {
    let port = Connections::at_most(peers.len());
    let mut busy = Vec::new();
    for number in peers {
        let place = port.enter(peer(*number)).await.unwrap();
        place.beat(true);
        busy.push(place);
    }
    (port, busy)
}

#[tokio::test(start_paused = true)]
async fn who_has_most_gives_way_and_nobody_else() {
    let port = Connections::at_most(4);
    let mut server = port.enter(peer(1)).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(port.enter(peer(2)).await.unwrap());
    }
    let mut late = port.enter("::ffff:10.0.0.3".parse().unwrap()).await.unwrap();
    assert!(stays(&mut server) && stays(&mut late));
    assert_eq!(crowd.iter_mut().map(stays).collect::<Vec<_>>(), [false, true, true]);
    // What says something is not idle, and nobody is it who comes after a crowd.
    server.beat(true);
    late.beat(true);
    for _ in 0..10 {
        crowd.extend(port.enter(peer(2)).await);
    }
    assert!(stays(&mut server) && stays(&mut late));
    assert_eq!(crowd.iter_mut().filter_map(|place| stays(place).then_some(())).count(), 2);
    assert_eq!(lock(&port.taken).all, 4);
}

#[tokio::test(start_paused = true)]
async fn of_many_with_one_each_the_last_gives_way() {
    let port = Connections::at_most(3);
    let mut places = Vec::new();
    for number in 1..6 {
        places.push(port.enter(peer(number)).await.unwrap());
    }
    assert_eq!(places.iter_mut().map(stays).collect::<Vec<_>>(), [true, true, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn who_has_more_to_ask_than_there_are_places_loses_no_question() {
    let (port, mut busy) = at_work(&[1, 1, 1]).await;
    let began = Instant::now();
    let fourth = tokio::spawn({
        let port = port.clone();
        async move { port.enter(peer(1)).await }
    });
    tokio::time::sleep(3 * QUIET).await;
    assert!(busy.iter_mut().all(stays) && !fourth.is_finished());
    // The second is answered, and has nothing more to ask.
    busy[1].beat(false);
    busy[1].beat(true);
    busy[1].beat(false);
    let mut fourth = fourth.await.unwrap().unwrap();
    assert!(began.elapsed() < 6 * QUIET, "{:?}", began.elapsed());
    assert_eq!(busy.iter_mut().map(stays).collect::<Vec<_>>(), [true, false, true]);
    assert!(stays(&mut fourth));
    fourth.beat(true);
    // One that ends makes room at once; and where none does, nobody waits for ever.
    let waits = tokio::spawn({
        let port = port.clone();
        async move { (port.enter(peer(1)).await.map(|_| ()), Instant::now()) }
    });
    tokio::time::sleep(QUIET / 2).await;
    let ended = Instant::now();
    drop(busy.remove(0));
    let (entered, at) = waits.await.unwrap();
    assert!(entered.is_ok() && at - ended < QUIET / 2);
    let fifth = port.enter(peer(1)).await.unwrap();
    fifth.beat(true);
    let refused = port.enter(peer(1)).await.unwrap_err();
    assert!(refused.to_string().contains("none became free in time"), "{refused}");
    assert!(lock(&port.taken).waiting.is_empty());
    assert_eq!(lock(&port.taken).all, 3);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_counted() {
    let port = Connections::at_most(1);
    let busy = port.enter(peer(1)).await.unwrap();
    busy.beat(true);
    let (first, second) = tokio::join!(port.enter(peer(1)), port.enter(peer(1)));
    assert!(first.unwrap_err().to_string().contains("in time"));
    assert!(second.unwrap_err().to_string().contains("as many wait"));
}

#[tokio::test(start_paused = true)]
async fn who_waits_most_gives_way_to_others_that_wait() {
    let (port, mut busy) = at_work(&[1, 1, 1, 2, 2, 2]).await;
    let wait = |number: u8| {
        let port = port.clone();
        tokio::spawn(async move { port.enter(peer(number)).await.map(|place| place.peer) })
    };
    let crowd = [wait(1), wait(1)];
    tokio::time::sleep(QUIET / 4).await;
    let refused = port.enter(peer(1)).await.unwrap_err().to_string();
    assert!(refused.contains("as many wait"), "the line is full of his own: {refused}");
    let server = wait(2);
    tokio::time::sleep(QUIET / 4).await;
    let [first, second] = crowd;
    let driven_out = second.await.unwrap().unwrap_err().to_string();
    assert!(driven_out.contains("others of this peer"), "{driven_out}");
    assert!(!first.is_finished() && !server.is_finished());
    assert!(port.enter(peer(2)).await.is_err(), "each has one in line");
    busy.clear();
    assert_eq!((first.await.unwrap().unwrap(), server.await.unwrap().unwrap()), (peer(1), peer(2)));
    assert!(lock(&port.taken).waiting.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_no_answer_goes_before_what_is_at_work() {
    let (port, mut places) = at_work(&[1, 1, 1]).await;
    places[2].beat(false);
    let _silent = port.enter(peer(2)).await.unwrap();
    assert_eq!(places.iter_mut().map(stays).collect::<Vec<_>>(), [true, true, false], "it was answered just now");
}

#[tokio::test(start_paused = true)]
async fn those_who_have_about_as_much_to_ask_lose_nothing_to_each_other() {
    let (port, mut busy) = at_work(&[1, 1, 1, 2, 2, 2]).await;
    for number in [1, 2] {
        let refused = port.enter(peer(number)).await.unwrap_err();
        assert!(refused.to_string().contains("in time"), "{refused}");
    }
    assert!(busy.iter_mut().all(stays));
    // Who has nothing there comes in, and who has one as long as another has more than twice as many.
    let mut third = Vec::new();
    for _ in 0..2 {
        let place = port.enter(peer(3)).await.unwrap();
        place.beat(true);
        third.push(place);
    }
    assert_eq!(
        busy.iter_mut().filter_map(|place| stays(place).then_some(place.peer)).collect::<Vec<_>>(),
        [1, 1, 2, 2].map(peer)
    );
    assert!(port.enter(peer(3)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_goes_before_what_is_at_work_but_to_no_crowd() {
    for (crowd, given) in [(3, true), (4, false)] {
        let port = Connections::at_most(2 + crowd);
        let mut idle = [port.enter(peer(1)).await.unwrap(), port.enter(peer(1)).await.unwrap()];
        let mut busy = Vec::new();
        for _ in 0..crowd {
            let place = port.enter(peer(2)).await.unwrap();
            place.beat(true);
            busy.push(place);
        }
        tokio::time::sleep(FIRST).await;
        assert_eq!(port.enter(peer(2)).await.is_ok(), given);
        assert_eq!(idle.each_mut().map(stays), [!given, true], "the older one");
        assert!(busy.iter_mut().all(stays));
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_free_again_when_its_connection_ends() {
    let port = Connections::at_most(1);
    drop(port.enter(peer(1)).await.unwrap());
    assert!(lock(&port.taken).peers.is_empty());
    let mut first = port.enter(peer(1)).await.unwrap();
    let second = port.enter(peer(2)).await.unwrap();
    assert!(!stays(&mut first) && !stays(&mut first));
    drop(first);
    assert_eq!(lock(&port.taken).all, 1, "its place is another's by now");
    drop(second);
    assert_eq!(lock(&port.taken).all, 0);
}
