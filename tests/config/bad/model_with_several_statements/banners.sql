-- the banners; all of them
select 1;
drop table banners;
