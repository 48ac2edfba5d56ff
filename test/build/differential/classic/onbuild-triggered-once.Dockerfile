FROM base-with-triggers AS middle
RUN rm /triggered/ran
FROM middle
RUN ls /triggered >/listed
